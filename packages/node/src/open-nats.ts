import { ROOT_CONTEXT, context } from '@opentelemetry/api';
import { suppressTracing } from '@opentelemetry/core';
import { connectNats } from '@spanledger/jetstream';
import type { NatsConnectionLike } from '@spanledger/jetstream';
import { logger } from './diagnostics.ts';
import { keepsNothingAlive } from './keeps-nothing-alive.ts';
import type { ResolvedNats } from './resolve-nats.ts';

/** Runs `fn` such that what it opens is not traced (I8), belongs to no request, and does not keep the process alive. */
export function quietly<T>(fn: () => T): T {
  return keepsNothingAlive(() => context.with(suppressTracing(ROOT_CONTEXT), fn));
}

/** Connects, whenever that is, and says once that it takes long. To be called `quietly`. */
export async function connectQuietly(
  nats: ResolvedNats,
  producer: string,
  signal: AbortSignal,
): Promise<NatsConnectionLike> {
  const { stream: _stream, subject: _subject, ...connection } = nats;
  let warned = false;
  const onRetry = (error: unknown): void => {
    const servers = nats.servers.join(', ');
    if (!warned) logger.warn(`NATS cannot be reached at ${servers}, and is tried until it is:`, error);
    warned = true;
  };
  const opened = await connectNats({ ...connection, name: producer, signal, onRetry });
  if (warned) logger.warn('NATS is reached now');
  return opened;
}
