import { setImmediate as nextTurn } from 'node:timers/promises';
import type { SealedEvent } from '@spanledger/protocol';
import { frameLengthAt, readEvent } from './frame.ts';
import type { FrameRun } from './scan-segment.ts';

/** Frames between two turns of the event loop: about a millisecond. */
const FRAMES_PER_TURN = 256;

/** An event as it was appended: the same bytes, subject and number. */
export interface JournaledEvent {
  /** Its place in this journal, from 1. */
  readonly position: number;
  readonly event: SealedEvent;
  /** It has been acknowledged, as far as that was saved: an event may have been and not say so. */
  readonly acknowledged: boolean;
}

/** The events of a run of frames, from one position to another; both must be in it. */
export async function* readRun(
  segment: Buffer,
  run: FrameRun,
  from: number,
  to: number,
  isAcknowledged: (position: number) => boolean,
): AsyncGenerator<JournaledEvent, void, void> {
  let { offset } = run;
  for (let position = run.from; position <= to; position += 1) {
    const length = frameLengthAt(segment, offset);
    // It was whole when it was scanned: the file has been changed since.
    if (length === undefined) throw new Error(`the frame of position ${position} cannot be read any more`);
    if (position >= from) yield { position, event: readEvent(segment, offset), acknowledged: isAcknowledged(position) };
    offset += length;
    if ((position - run.from) % FRAMES_PER_TURN === 0) await nextTurn();
  }
}
