import { parseAttempt } from '@spanledger/protocol';
import type { AttemptRecord, StoredAttempt } from '@spanledger/protocol';

/** The one with the higher number; of two of one number the one that says more. */
export function newest(one: AttemptRecord | undefined, other: AttemptRecord | undefined): AttemptRecord | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  if (one.epoch !== other.epoch) return one.epoch > other.epoch ? one : other;
  return other.startedEventId === undefined ? one : other;
}

const EVENT_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}:[1-9][0-9]{0,15}$/;

/** What a store holds, others have written. @throws Error unless it is a record with a number */
export function checkRecord({ record, revision }: StoredAttempt): AttemptRecord | undefined {
  if (!Number.isSafeInteger(revision) || revision < 0) throw new Error('it answered without a revision');
  if (record === undefined) return undefined;
  if (typeof record !== 'object' || record === null) throw new Error('what it holds for the step is no record');
  const { epoch, startedEventId } = record as { readonly [K in keyof AttemptRecord]: unknown };
  const number = typeof epoch === 'number' ? parseAttempt(epoch) : undefined;
  if (number === undefined) throw new Error('what it holds for the step has no attempt number');
  const isId = typeof startedEventId === 'string' && EVENT_ID.test(startedEventId);
  return { epoch: number, ...(isId && { startedEventId }) };
}
