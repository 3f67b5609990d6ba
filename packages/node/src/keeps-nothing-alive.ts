import { AsyncLocalStorage, createHook } from 'node:async_hooks';

const marked = new AsyncLocalStorage<true>();

/** Node ≥ 24 need not tell the hook of promises, which it would otherwise have to follow; older ones ignore the option. */
const NO_PROMISES: object = { trackPromises: false };

const hook = createHook({
  init(_id, type, _trigger, resource) {
    if (type !== 'Timeout' && type !== 'TCPWRAP' && type !== 'PIPEWRAP') return;
    if (marked.getStore() === undefined) return;
    // The resource is told of before it is ready to be changed.
    process.nextTick(() => (resource as { unref?(): void }).unref?.());
  },
  ...NO_PROMISES,
});

/**
 * Runs `fn` such that no socket and no timer that it makes, now or later, keeps the process alive.
 *
 * nats.js references its socket, its pings and its reconnection delays, and has no option not to: a script with a connection
 * would never end. What must still be sent when the script ends is waited for in `beforeExit`. The hook is called once for each
 * asynchronous resource; on Node 20 and 22 OpenTelemetry's context manager has one of the same kind, so it costs nothing measurable.
 */
export function keepsNothingAlive<T>(fn: () => T): T {
  hook.enable();
  return marked.run(true, fn);
}
