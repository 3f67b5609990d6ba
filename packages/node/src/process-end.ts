import { constants } from 'node:os';
import { logger } from './diagnostics.ts';

/** What is done about the end. */
interface Ending {
  flush(): Promise<unknown>;
  shutdown(): Promise<void>;
}

/**
 * Gets the ledger out before the process ends: at SIGTERM, at SIGINT, and when the event loop runs empty. `process.exit()`, a throw
 * and an unhandled rejection leave no time to: what is in the journal is published by the next process. They are not
 * listened for, so that exit code and stack are Node's own.
 *
 * @returns the function that stops watching; a shutdown calls it, so that a second signal ends the process at once.
 */
export function watchProcessEnd(ending: Ending): () => void {
  const onSignal = (signal: NodeJS.Signals): void => {
    // A handler of the application ends the process when it is ready, and may emit until then: what there is, is flushed.
    if (process.listenerCount(signal) > 1 + tidiers()) void ending.flush();
    // When all listeners have been called: a shutdown takes ours away, and a tidier that finds itself alone ends the process.
    else queueMicrotask(() => void end(signal));
  };
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    await ending.shutdown();
    // Not by sending the signal again: the kernel does not deliver that to process 1 of a container.
    process.exit(128 + constants.signals[signal]);
  };
  const onEmptyLoop = (): void => void ending.shutdown();

  // Before all others: a `once` handler of the application is no longer counted when it has had its turn.
  process.prependListener('SIGTERM', onSignal).prependListener('SIGINT', onSignal).on('beforeExit', onEmptyLoop);
  return () => void process.off('SIGTERM', onSignal).off('SIGINT', onSignal).off('beforeExit', onEmptyLoop);
}

/**
 * Says in one line how many events a process that ends without a shutdown takes with it.
 *
 * @param lostNow how many there are in memory only.
 * @returns the function that stops it; a shutdown that is over has said it itself.
 */
export function watchLossAtExit(lostNow: () => number): () => void {
  const onExit = (): void => {
    const lost = lostNow();
    if (lost > 0) logger.error(`the process ended before the ledger had ${lost} events: they are lost`);
  };
  process.on('exit', onExit);
  return () => void process.off('exit', onExit);
}

/**
 * How many of a signal's listeners are those of the library signal-exit (4, and 2 to 3), which many tools bring along. They wait
 * for everybody else to end the process, so each would wait for the other; they tidy up at `process.exit()` as well.
 */
function tidiers(): number {
  return countOf(globalThis, Symbol.for('signal-exit emitter')) + countOf(process, '__signal_exit_emitter__');
}

function countOf(holder: object, key: PropertyKey): number {
  const emitter: unknown = Reflect.get(holder, key);
  const { count } = (emitter ?? {}) as { count?: unknown };
  return typeof count === 'number' ? count : 0;
}
