import { constants } from 'node:os';

/** What is done about the end. */
interface Ending {
  flush(): Promise<unknown>;
  shutdown(): Promise<void>;
}

type EndSignal = 'SIGTERM' | 'SIGINT';

/**
 * Gets the ledger out before the process ends: at SIGTERM, at SIGINT, and when the event loop runs empty. `process.exit()`
 * leaves no time to; who calls it awaits `flush()` before.
 *
 * @returns the function that stops watching; a shutdown calls it, so that a second signal ends the process at once.
 */
export function watchProcessEnd(ending: Ending): () => void {
  const onSignal = (signal: EndSignal): void => {
    // A handler of the application ends the process when it is ready, and may emit until then: what there is, is flushed.
    if (process.listenerCount(signal) > 1) void ending.flush();
    // Not by sending the signal again: the kernel does not deliver that to process 1 of a container.
    else void ending.shutdown().then(() => process.exit(128 + constants.signals[signal]));
  };
  const onEmptyLoop = (): void => void ending.shutdown();

  process.on('SIGTERM', onSignal).on('SIGINT', onSignal).on('beforeExit', onEmptyLoop);
  return () => void process.off('SIGTERM', onSignal).off('SIGINT', onSignal).off('beforeExit', onEmptyLoop);
}
