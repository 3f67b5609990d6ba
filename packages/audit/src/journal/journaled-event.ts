import { setImmediate as nextTurn } from 'node:timers/promises';
import type { SealedEvent } from '@spanledger/protocol';
import { claimedLength, frameLengthAt, readEvent } from './frame.ts';
import type { FrameRun } from './scan-segment.ts';

/** Events between two turns of the event loop: about a millisecond. */
export const EVENTS_PER_TURN = 256;

/** An event as it was appended: the same bytes, subject and number. */
export interface JournaledEvent {
  /** Its place in this journal, from 1. */
  readonly position: number;
  readonly event: SealedEvent;
  /** It has been acknowledged, as far as that was saved: an event may have been and not say so. */
  readonly acknowledged: boolean;
}

/** Where to look for the events of a run of frames. */
interface RunPart {
  readonly segment: Buffer;
  readonly run: FrameRun;
  /** First and last position; both must be in the run. */
  readonly from: number;
  readonly to: number;
  /** The bytes are those that were scanned, and not read anew since. */
  readonly isScanned: boolean;
  readonly isAcknowledged: (position: number) => boolean;
}

/** The events of a run of frames, in order. Synchronous: a promise for each would cost as much as the event. */
export function* readRun({ segment, run, from, to, isScanned, isAcknowledged }: RunPart): Iterable<JournaledEvent> {
  const lengthAt = isScanned ? claimedLength : frameLengthAt;
  let { offset } = run;
  for (let position = run.from; position <= to; position += 1) {
    const length = lengthAt(segment, offset);
    // It was whole when it was scanned: the file has been changed since.
    if (length === undefined) throw new Error(`the frame of position ${position} cannot be read any more`);
    if (position >= from) yield { position, event: readEvent(segment, offset), acknowledged: isAcknowledged(position) };
    offset += length;
  }
}

/** Gives the event loop its turn while many events are read. */
export async function* inTurns(events: Iterable<JournaledEvent>): AsyncGenerator<JournaledEvent, void, void> {
  let count = 0;
  for (const event of events) {
    yield event;
    count += 1;
    if (count % EVENTS_PER_TURN === 0) await nextTurn();
  }
}
