import { waitFor } from './wait.mjs';

const QUIET_MS = 2_000;

/**
 * Waits until nobody has published anything to a server for two seconds.
 *
 * @param {import('@spanledger/testkit').NatsServer} server with monitoring
 */
export async function untilQuiet(context, server, deadlineMs = 120_000) {
  let before = -1;
  let sinceMs = 0;
  await waitFor(
    () => `there is no end of publishing: ${before} messages`,
    async () => {
      const { in_msgs: count } = await (await fetch(`${server.monitoringUrl}/varz`)).json();
      if (count !== before) sinceMs = performance.now();
      before = count;
      return performance.now() - sinceMs >= QUIET_MS;
    },
    { deadlineMs, signal: context.signal },
  );
}
