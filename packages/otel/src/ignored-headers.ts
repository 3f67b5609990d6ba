import { metrics } from '@opentelemetry/api';
import type { Counter, MeterProvider } from '@opentelemetry/api';

/**
 * Why an inbound header was ignored. `repeated` where the carrier still shows it: Node joins repeated headers with `, `,
 * which is `invalid`.
 */
export type IgnoredReason = 'invalid' | 'repeated' | 'untrusted' | 'unreadable';

let provider: MeterProvider | undefined;
let counter: Counter<{ reason: IgnoredReason }> | undefined;

/** Counts `spanledger.headers.ignored` by reason, in whatever meter provider the application has registered. */
export function countIgnored(reason: IgnoredReason, count = 1): void {
  const current = metrics.getMeterProvider();
  if (counter === undefined || current !== provider) {
    // The metrics API has no proxy: a counter made before the provider is registered counts nothing, for ever.
    provider = current;
    counter = current.getMeter('@spanledger/otel').createCounter('spanledger.headers.ignored', {
      description: 'Inbound workflow headers that were not used, by reason',
      unit: '{header}',
    });
  }
  counter.add(count, { reason });
}
