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

/** Opens the connections of this process to its NATS server, and says once for all of them that it cannot be reached. */
export class NatsConnector {
  readonly #producer: string;
  /** Connections that have been refused, and are tried again. */
  #waiting = 0;

  constructor(producer: string) {
    this.#producer = producer;
  }

  /** Connects, whenever that is. To be called `quietly`. */
  async connect(nats: ResolvedNats, signal: AbortSignal): Promise<NatsConnectionLike> {
    const { stream: _stream, subject: _subject, ...connection } = nats;
    let isWaiting = false;
    const onRetry = (error: unknown): void => {
      if (isWaiting) return;
      isWaiting = true;
      this.#waiting += 1;
      if (this.#waiting > 1) return;
      const servers = nats.servers.join(', ');
      logger.warn(`NATS cannot be reached at ${servers}, and is tried until it is:`, error);
    };
    try {
      const opened = await connectNats({ ...connection, name: this.#producer, signal, onRetry });
      if (isWaiting && this.#waiting === 1) logger.warn('NATS is reached now');
      return opened;
    } finally {
      if (isWaiting) this.#waiting -= 1;
    }
  }
}
