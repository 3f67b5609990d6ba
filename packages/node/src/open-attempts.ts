import { jetStreamAttemptStore } from '@spanledger/jetstream';
import type { AttemptStore } from '@spanledger/protocol';
import { quietly } from './open-nats.ts';
import type { NatsConnector } from './open-nats.ts';
import type { ResolvedConfig } from './resolve-config.ts';

/** Where attempts are counted, if not in this process alone. Waits for no network: it connects when the first step asks. */
export function openAttempts({ attempts }: ResolvedConfig, connector: NatsConnector): AttemptStore | undefined {
  if (attempts === undefined || !('nats' in attempts)) return attempts;
  const { nats, onUnavailable } = attempts;
  const replicas = nats.stream?.replicas;
  return jetStreamAttemptStore((signal) => quietly(() => connector.connect(nats, signal)), {
    onUnavailable,
    ...(replicas !== undefined && { replicas }),
  });
}
