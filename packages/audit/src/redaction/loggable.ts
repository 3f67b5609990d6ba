import { boundText } from '../json-value.ts';
import { SecretScrubber } from './secret-scrubber.ts';

const scrubber = new SecretScrubber();
/** UTF-16 units: a message and some of its stack. */
const LOGGED_MAX = 2048;

/** What an application threw or told, for a line of our log: as text, bounded, and without secrets. It never throws (I5). */
export function loggable(cause: unknown): string {
  try {
    const text = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
    return scrubber.text(boundText(text, LOGGED_MAX));
  } catch {
    return '[unreadable]';
  }
}
