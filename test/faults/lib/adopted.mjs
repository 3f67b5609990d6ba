import { openJournal } from '@spanledger/audit';
import { waitFor } from './wait.mjs';

/** Waits until every journal of dead processes has been taken over by one that lives. @returns after how many milliseconds */
export async function untilAdopted(context, { directory, producer = 'faults' }) {
  const startedMs = performance.now();
  const probe = openJournal({ directory, producer });
  try {
    await waitFor(
      () => 'journals of dead processes are not taken over',
      async () => (await probe.adoptable()).length === 0,
      { deadlineMs: 300_000, signal: context.signal },
    );
  } finally {
    await probe.close();
  }
  return performance.now() - startedMs;
}
