const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/** The first signal asks for an orderly end; the second one takes its default way. */
export function watchSignals(): { readonly signal: AbortSignal; readonly stop: () => void } {
  const interrupted = new AbortController();
  const stop = (): void => {
    for (const name of SIGNALS) process.removeListener(name, interrupt);
  };
  const interrupt = (): void => {
    stop();
    interrupted.abort();
  };
  for (const name of SIGNALS) process.on(name, interrupt);
  return { signal: interrupted.signal, stop };
}
