import { durationText } from '../commands/event-text.ts';
import { fail, ok, warn } from './check.ts';
import type { Check } from './check.ts';

const NOTICEABLE_MS = 1_000;
/** Past this `verify` speaks of clock skew. */
const WRONG_MS = 60_000;

/** What the server's clock said, and when we asked and were answered. */
export interface ClockReading {
  readonly serverMs: number;
  readonly askedMs: number;
  readonly answeredMs: number;
}

/** How far our clock is from the server's. What the way there and back took may be in it. */
export function clockCheck(reading: ClockReading | undefined): Check {
  if (reading === undefined || Number.isNaN(reading.serverMs)) {
    return warn('clock', 'not known: the server does not tell its time', 'compare them by hand, or give --monitor URL');
  }
  const { serverMs, askedMs, answeredMs } = reading;
  const offMs = Math.max(0, askedMs - serverMs, serverMs - answeredMs);
  if (offMs < NOTICEABLE_MS) return ok('clock', 'the same as the server’s');
  const text = `${durationText(offMs)} ${serverMs > answeredMs ? 'behind' : 'ahead of'} the server’s`;
  const make = offMs < WRONG_MS ? warn : fail;
  return make('clock', text, 'let NTP set both: timelines are ordered by these clocks');
}
