import type { ResolvedNats } from './resolve-nats.ts';
import { SpanledgerError } from '@spanledger/protocol';
import type { AttemptStore } from '@spanledger/protocol';
import type { SpanledgerConfig } from './config.ts';

/** A JetStream bucket, and how to reach it. */
export interface ResolvedBucket {
  readonly nats: ResolvedNats;
  readonly onUnavailable: 'error' | 'memory';
}

const KINDS = ['memory', 'kv', 'kv-or-memory'] as const;

/**
 * @param nats how to reach NATS, if anybody has said.
 * @returns a store, or what one is made of; `undefined` where this process counts alone.
 * @throws SpanledgerError `SPANLEDGER_OPTION`
 */
export function resolveAttempts(
  option: SpanledgerConfig['attempts'],
  env: string | undefined,
  nats: () => ResolvedNats | undefined,
): AttemptStore | ResolvedBucket | undefined {
  const given = option ?? (env?.trim() || 'memory');
  if (isStore(given)) return given;
  const source = option === undefined ? 'SPANLEDGER_ATTEMPTS' : '`attempts`';
  const kind = KINDS.find((known) => known === given);
  if (kind === undefined) {
    throw new SpanledgerError(
      'SPANLEDGER_OPTION',
      `${source} must be 'memory', 'kv', 'kv-or-memory'${option === undefined ? '' : ' or an AttemptStore'}, got ${JSON.stringify(given)}`,
    );
  }
  if (kind === 'memory') return undefined;
  const resolved = nats();
  if (resolved === undefined) {
    throw new SpanledgerError(
      'SPANLEDGER_OPTION',
      `${source} is '${kind}' without a server: set \`nats.servers\` or SPANLEDGER_NATS_URL`,
    );
  }
  return { nats: resolved, onUnavailable: kind === 'kv' ? 'error' : 'memory' };
}

function isStore(given: unknown): given is AttemptStore {
  const { read, write } = (given ?? {}) as Partial<Record<keyof AttemptStore, unknown>>;
  return typeof read === 'function' && typeof write === 'function';
}
