import { openJournal } from '@spanledger/audit';
import { startProducer } from './producer-process.mjs';
import { waitFor } from './wait.mjs';

/** What one process does not come to, the next one does; more than this many would be a failure to inherit. */
const HEIRS_MAX = 5;

/**
 * Runs one process after the other, as a restarting service would, until what the dead ones left is published and their
 * open runs are named.
 *
 * @param options of the producers; with a `journal`
 * @returns the processes
 */
export async function runHeirs(context, options) {
  const heirs = [];
  for (;;) {
    const folders = await foldersLeft(options);
    if (folders.length === 0) return heirs;
    if (heirs.length === HEIRS_MAX) throw new Error(`${folders.length} journals are left after ${HEIRS_MAX} processes`);
    const heir = await startProducer(context, options);
    heirs.push(heir);
    await untilTaken(context, options, folders);
    await heir.drained();
    await heir.finish();
    const left = await foldersLeft(options);
    if (!folders.some((folder) => left.includes(folder))) return heirs;
  }
}

/** Journals of dead processes of which something is still to be published, or to be said. */
async function foldersLeft({ journal, producer = 'faults' }) {
  const probe = openJournal({ ...journal, producer });
  try {
    const left = [];
    for (const folder of await probe.adoptable()) {
      const adopted = await probe.adopt(folder);
      if (adopted.unacknowledged > 0 || !adopted.isReported) left.push(folder);
      await adopted.close();
    }
    return left;
  } finally {
    await probe.close();
  }
}

/** Waits until these are taken over by a process that lives, or are gone. */
async function untilTaken(context, { journal, producer = 'faults' }, folders) {
  const probe = openJournal({ ...journal, producer });
  const areTaken = async () => {
    const free = await probe.adoptable();
    return !folders.some((folder) => free.includes(folder));
  };
  try {
    await waitFor(() => 'journals of dead processes are not taken over', areTaken, {
      deadlineMs: 300_000,
      signal: context.signal,
    });
  } finally {
    await probe.close();
  }
}
