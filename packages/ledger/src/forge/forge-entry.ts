import type { Place } from '../verify/finding.ts';
import { emitterOf, invocationOf, textOf } from './forge-event.ts';
import type { ForgeEvent } from './forge-event.ts';

/** One event, as far as it is kept. */
export interface ForgeEntry {
  readonly place: Place;
  readonly hash: string;
  readonly emitter: string;
  readonly prevHash: string | undefined;
  /** What its number counts. */
  readonly invocation: string | undefined;
  readonly task: string;
  /** `undefined`: not looked at, or found already. */
  isSigned: boolean | undefined;
  /** Records with the same bytes: second deliveries, or the same start of two processes in one second. */
  copies: number;
}

export function toEntry(event: ForgeEvent, hash: string, streamSeq: number): ForgeEntry {
  const runId = textOf(event.correlation_id);
  const invocation = invocationOf(event);
  const seq = invocation === undefined ? 0 : (event.seq as number);
  return {
    place: { runId, seq, eventId: `${runId}:${seq}`, streamSeq },
    hash,
    emitter: emitterOf(event),
    prevHash: event.prev_hash === undefined ? undefined : textOf(event.prev_hash),
    invocation,
    task: textOf(event.task_id),
    isSigned: undefined,
    copies: 1,
  };
}
