import { constants } from 'node:os';

/** What is done about the end. */
interface Ending {
  flush(): Promise<unknown>;
  /** The application may still run: what it emits until `exiting` is kept. */
  shutdown(): Promise<void>;
  /** The last turn of the process, however it ends (but for a kill). */
  exiting(): void;
}

/**
 * Gets the ledger out before the process ends: at SIGTERM, at SIGINT, and when the event loop runs empty. `process.exit()`, a throw
 * and an unhandled rejection leave no time to: what is in the journal is published by the next process. They are not
 * listened for, so that exit code and stack are Node's own.
 *
 * @returns the function that stops watching for all but `exiting`; a shutdown calls it, so that a second signal ends the
 * process at once.
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

  process.on('exit', () => ending.exiting());
  // Before all others: a `once` handler of the application is no longer counted when it has had its turn.
  process.prependListener('SIGTERM', onSignal).prependListener('SIGINT', onSignal).on('beforeExit', onEmptyLoop);
  return () => void process.off('SIGTERM', onSignal).off('SIGINT', onSignal).off('beforeExit', onEmptyLoop);
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
