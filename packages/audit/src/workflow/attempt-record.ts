import { parseAttempt } from '@spanledger/protocol';
import type { AttemptRecord, StoredAttempt } from '@spanledger/protocol';

/** The one with the higher number; of two of one number the one that says more. */
export function newest(one: AttemptRecord | undefined, other: AttemptRecord | undefined): AttemptRecord | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  if (one.epoch !== other.epoch) return one.epoch > other.epoch ? one : other;
  return other.startedEventId === undefined ? one : other;
}

const EVENT_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}:[1-9][0-9]{0,15}$/;

/** The store works, and what it holds for this step is of no use. */
export class UnusableRecordError extends Error {
  override readonly name = 'UnusableRecordError';
}

/** @param revision `undefined` where there is none, as after a lost race. @throws Error unless it is a number of one */
export function checkRevision(revision: number | undefined): void {
  if (revision === undefined || (Number.isSafeInteger(revision) && revision >= 0)) return;
  throw new Error('it answered without a revision');
}

/** What a store holds, others have written. @throws UnusableRecordError unless it is a record with a number that another can follow */
export function checkRecord({ record }: StoredAttempt): AttemptRecord | undefined {
  if (record === undefined) return undefined;
  if (typeof record !== 'object' || record === null)
    throw new UnusableRecordError('what it holds for the step is no record');
  const { epoch, startedEventId } = record as { readonly [K in keyof AttemptRecord]: unknown };
  const number = typeof epoch === 'number' ? parseAttempt(epoch) : undefined;
  if (number === undefined || number === Number.MAX_SAFE_INTEGER)
    throw new UnusableRecordError('what it holds for the step is no attempt number that another can follow');
  const isId = typeof startedEventId === 'string' && EVENT_ID.test(startedEventId);
  return { epoch: number, ...(isId && { startedEventId }) };
}
