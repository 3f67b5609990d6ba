import { at, ok, warn } from './check.ts';
import type { Check } from './check.ts';
import { durationText } from '../commands/event-text.ts';

const NANOS_PER_MS = 1e6;
const TIMEOUT_MS = 5_000;
const NAME = 'sync interval';
const SET = 'set `sync_interval: always` in the jetstream {} block of the server (2.10 or later)';

/** What the monitoring port says at `/varz`; `undefined` if it does not answer. */
export async function readVarz(monitor: string): Promise<unknown> {
  try {
    const answer = await fetch(new URL('/varz', monitor), {
      signal: AbortSignal.timeout(TIMEOUT_MS),
      redirect: 'error',
    });
    return answer.ok ? await answer.json() : undefined;
  } catch {
    return undefined;
  }
}

/** How long an acknowledged event may be in memory only. */
export function diskCheck(varz: unknown, monitor: string): Check {
  const config = at(varz, 'jetstream', 'config');
  if (config === undefined) {
    return warn(NAME, `not known: ${monitor} does not answer`, `give --monitor URL, or look at the server: ${SET}`);
  }
  if (at(config, 'sync_always') === true) return ok(NAME, 'every event is on the disk before it is acknowledged');
  const interval = at(config, 'sync_interval');
  const every = typeof interval === 'number' ? durationText(interval / NANOS_PER_MS) : '2 min (the default)';
  return warn(NAME, `acknowledged events are synced every ${every}: a power cut loses those since`, SET);
}
