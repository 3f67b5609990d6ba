import { parseNatsServers } from '@spanledger/jetstream';
import type { NatsServers } from '@spanledger/jetstream';
import { SpanledgerError } from '@spanledger/protocol';
import type { NatsConfig } from './config.ts';
import { listOf } from './environment-list.ts';

/** `nats` with its servers found and taken apart. */
export type ResolvedNats = Omit<NatsConfig, 'servers'> & NatsServers;

type Environment = Readonly<Record<string, string | undefined>>;

/** @throws SpanledgerError `SPANLEDGER_OPTION` */
export function resolveNats(nats: NatsConfig | undefined, env: Environment): ResolvedNats | undefined {
  const { servers: given, ...rest } = nats ?? {};
  const servers = given ?? listOf(env['SPANLEDGER_NATS_URL']);
  if (servers === undefined) {
    if (nats === undefined) return undefined;
    throw new SpanledgerError(
      'SPANLEDGER_OPTION',
      '`nats` is given without `nats.servers`, and SPANLEDGER_NATS_URL is not set',
    );
  }
  const source = given === undefined ? 'SPANLEDGER_NATS_URL' : 'nats.servers';
  return { ...parseNatsServers(typeof servers === 'string' ? [servers] : servers, source), ...rest };
}
