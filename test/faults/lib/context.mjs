import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import path from 'node:path';
import { seededRandom } from './random.mjs';

const CACHE = path.join(import.meta.dirname, '../../../.cache');

/** What a case is given. `close` ends whatever it owned, last first, and removes its folder. */
export function createContext({ quick, minimum, seed, progress, signal, producers = [] }) {
  mkdirSync(CACHE, { recursive: true });
  // Not the system's folder for such things: that may be memory, which syncs nothing.
  const directory = mkdtempSync(path.join(CACHE, 'faults-'));
  const owned = [];
  let closed = false;
  const random = seededRandom(seed);
  const context = { quick, minimum, seed, random, directory, progress, signal, own, producers };

  function own(disposable) {
    // A case that was given up on goes on until it next looks at its signal.
    if (closed) void closeOne(disposable);
    owned.push(disposable);
    return disposable;
  }

  async function close() {
    closed = true;
    const failures = [];
    for (const disposable of owned.reverse()) await closeOne(disposable).catch((error) => failures.push(error));
    rmSync(directory, { recursive: true, force: true });
    if (failures.length > 0) throw new AggregateError(failures, 'the case could not be cleaned up');
  }

  return { context, close };
}

async function closeOne(disposable) {
  if (typeof disposable === 'function') await disposable();
  else if (Symbol.asyncDispose in disposable) await disposable[Symbol.asyncDispose]();
  else await disposable.close();
}
