import { connectNats } from '@spanledger/jetstream';
import { EXIT } from '../run/exit-code.ts';
import { Failure } from '../run/failure.ts';
import { serverNames, toConnectOptions } from './connection-options.ts';
import type { ConnectionFlags } from './connection-options.ts';

type Connection = Awaited<ReturnType<typeof connectNats>>;

/** A connection for the time of one command. */
export interface Link {
  readonly connection: Connection;
  readonly stream: string;
  /** Aborted when the command is to stop, or when the server has been away for too long. */
  readonly signal: AbortSignal;
  /** Whoever read until the signal asks here whether that was the end. @throws Failure if the server was lost. */
  throwIfLost(): void;
}

export interface LinkOptions {
  /** Ends the command. */
  readonly signal: AbortSignal;
  /** Told when the connection is lost and when it is back; the server is then waited for without end. */
  readonly onChange?: (state: 'lost' | 'back') => void;
}

/**
 * Connects, lets `use` work, and closes.
 *
 * @throws Failure `unreachable` when there is no server, or it does not let us in: a person waits, so the first answer counts.
 */
export async function withLink<T>(
  flags: ConnectionFlags,
  options: LinkOptions,
  use: (link: Link) => Promise<T>,
): Promise<T> {
  const connection = await connect(flags, options.signal);
  const lost = new AbortController();
  void watchConnection(connection, options, lost, flags.wait);
  try {
    return await use({
      connection,
      stream: flags.stream,
      signal: AbortSignal.any([options.signal, lost.signal]),
      throwIfLost: () => {
        if (!lost.signal.aborted || options.signal.aborted) return;
        throw new Failure(
          EXIT.unreachable,
          `the server was lost and did not come back within ${flags.wait / 1_000} s`,
          'what was read is no verdict: start again',
        );
      },
    });
  } finally {
    await connection.close();
  }
}

async function connect(flags: ConnectionFlags, signal: AbortSignal): Promise<Connection> {
  const failed = new AbortController();
  let reason: unknown;
  try {
    return await connectNats({
      ...toConnectOptions(flags),
      signal: AbortSignal.any([signal, failed.signal]),
      onRetry: (error) => {
        reason = error;
        failed.abort();
      },
    });
  } catch (cause) {
    if (reason === undefined) throw cause;
    throw unreachable(flags, reason);
  }
}

function unreachable(flags: ConnectionFlags, cause: unknown): Failure {
  const text = cause instanceof Error ? cause.message : String(cause);
  const advice = /authori[sz]ation|authentication|nonce/i.test(text)
    ? 'give credentials of an account that may read: --creds, --nkey, --user with --password, or --token'
    : 'is it running? --server or SPANLEDGER_NATS_URL=nats://host:port names another one';
  return new Failure(EXIT.unreachable, `cannot connect to ${serverNames(flags)}: ${text}`, advice, { cause });
}

async function watchConnection(
  connection: Connection,
  options: LinkOptions,
  lost: AbortController,
  waitMs: number,
): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  for await (const { type } of connection.status()) {
    if (type === 'disconnect') {
      options.onChange?.('lost');
      if (options.onChange === undefined) timer ??= setTimeout(() => lost.abort(), waitMs);
    } else if (type === 'reconnect') {
      options.onChange?.('back');
      clearTimeout(timer);
      timer = undefined;
    }
  }
  clearTimeout(timer);
}
