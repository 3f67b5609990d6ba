import { boundText } from './bound-text.ts';
import { scrubText } from './scrub-text.ts';

/** UTF-16 units: a message and some of its stack. */
const LOGGED_MAX = 2048;
/** An error, what caused it, what caused that. */
const CAUSES_MAX = 4;

/** What was thrown, told or answered by code that is not ours, for a line of our log: as text, bounded, and without secrets. It never throws (I5). */
export function loggable(cause: unknown): string {
  try {
    const texts: string[] = [];
    for (let one = cause; one !== undefined && texts.length < CAUSES_MAX;) {
      texts.push(one instanceof Error ? (one.stack ?? one.message) : String(one));
      one = one instanceof Error ? one.cause : undefined;
    }
    return scrubText(boundText(texts.join('\n[cause]: '), LOGGED_MAX));
  } catch {
    return '[unreadable]';
  }
}
