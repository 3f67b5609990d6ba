import type { PendingOutcome, WriteOutcome } from '@spanledger/protocol';

/** A sink must not throw or reject, and must answer; one that does not has failed what it was given, and nothing else. */
export async function answerOf(write: () => PendingOutcome): Promise<WriteOutcome> {
  try {
    return checkedOutcome(await write());
  } catch (error) {
    return failedOutcome(error);
  }
}

/** What a sink written in JavaScript says may be nothing at all: then it is not known whether the event is stored. */
export function checkedOutcome(outcome: WriteOutcome | undefined): WriteOutcome {
  const status = outcome?.status;
  if (status === 'stored' || status === 'refused' || status === 'failed') return outcome!;
  return failedOutcome(new TypeError('the sink answered with no outcome'));
}

export function failedOutcome(error: unknown): WriteOutcome {
  return { status: 'failed', error: error instanceof Error ? error : new Error(String(error)) };
}
