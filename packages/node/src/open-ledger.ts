import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileSink } from '@spanledger/audit';
import { ensureStream, ensureTranscriptStream, jetStreamSink } from '@spanledger/jetstream';
import type { NatsConnectionLike, StreamOptions, StreamState, TranscriptSinkOptions } from '@spanledger/jetstream';
import { SpanledgerError } from '@spanledger/protocol';
import type { AuditSink } from '@spanledger/protocol';
import { logger } from './diagnostics.ts';
import { quietly } from './open-nats.ts';
import type { NatsConnector } from './open-nats.ts';
import type { ResolvedConfig } from './resolve-config.ts';
import type { ResolvedNats } from './resolve-nats.ts';

/** Where the local ledger is, in the working directory. */
const LEDGER_DIR = '.spanledger';

/** How long the first publish waits for the stream to be made. Without it, it would be refused and tried again. */
const STREAM_GRACE_MS = 1_000;

/** Between two questions, while there is no answer and nothing is stored. */
const STREAM_RETRY_MS = 5_000;

/** Opens what the configuration names: its own sink, JetStream, or a file. Waits for no network (I5). */
export function openLedger({ sink, nats, producer, transcripts }: ResolvedConfig, connector: NatsConnector): AuditSink {
  return sink ?? (nats === undefined ? openFile(producer) : openJetStream(nats, connector, transcripts?.stream));
}

/** @param transcripts their stream, if they are turned on. */
function openJetStream(
  nats: ResolvedNats,
  connector: NatsConnector,
  transcripts: StreamOptions | undefined,
): AuditSink {
  const { stream } = nats;
  const open = async (signal: AbortSignal, make: (opened: NatsConnectionLike) => Promise<void>) => {
    const opened = await connector.connect(nats, signal);
    await Promise.race([make(opened), delay(STREAM_GRACE_MS)]);
    return opened;
  };
  const makeEvents = (opened: NatsConnectionLike): Promise<void> =>
    makeStream(
      opened,
      () => ensureStream(opened, stream),
      () => sink.status?.().problem !== undefined,
    );
  const sink = jetStreamSink({
    connection: (signal) => quietly(() => open(signal, makeEvents)),
    ...(stream?.stream !== undefined && { stream: stream.stream }),
    onAlarm: (error) => logger.error(error.message),
    ...(transcripts && { transcripts: ofTranscripts(transcripts, open) }),
  });
  return sink;
}

/** With a connection of their own, and a stream that is asked for again once there was trouble. */
function ofTranscripts(
  stream: StreamOptions,
  open: (signal: AbortSignal, make: (opened: NatsConnectionLike) => Promise<void>) => Promise<NatsConnectionLike>,
): TranscriptSinkOptions {
  let troubled = false;
  const make = (opened: NatsConnectionLike): Promise<void> =>
    makeStream(
      opened,
      () => ensureTranscriptStream(opened, stream),
      () => troubled,
      'transcripts: ',
    );
  return {
    connection: (signal) => quietly(() => open(signal, make)),
    ...(stream.stream !== undefined && { stream: stream.stream }),
    onAlarm: (error) => {
      troubled = true;
      logger.error(`transcripts: ${error.message}`);
    },
  };
}

/**
 * Makes the stream where it is missing, or says what is wrong with it. A producer's account needs no right to do either:
 * where it has none, the server does not answer, and events are published all the same. A server that has only just started
 * may not answer either: so it is asked again, while nothing is stored.
 */
async function makeStream(
  connection: NatsConnectionLike,
  ensure: () => Promise<StreamState>,
  isWanted: () => boolean,
  about = '',
): Promise<void> {
  let state = await ensure();
  if (state.status === 'unknown') logger.warn(`${about}the stream was neither made nor checked: ${state.reason}`);
  while (state.status === 'unknown') {
    await delay(STREAM_RETRY_MS, undefined, { ref: false });
    if (connection.isClosed()) return;
    if (isWanted()) state = await ensure();
  }
  for (const { setting, expected, actual } of state.differences) {
    const [is, should] = [JSON.stringify(actual), JSON.stringify(expected)];
    logger.warn(`${about}the stream exists and is not changed, but its ${setting} is ${is} and should be ${should}`);
  }
}

/** One file per process. Not named after the process id, which is 1 in every container. */
function openFile(producer: string): AuditSink {
  const file = path.resolve(LEDGER_DIR, `${encodeURIComponent(producer)}-${randomUUID()}.ndjson`);
  try {
    mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new SpanledgerError(
      'SPANLEDGER_SINK',
      `the local ledger cannot be written to ${file}: set SPANLEDGER_NATS_URL`,
      { cause },
    );
  }
  logger.warn(`no NATS server is configured (SPANLEDGER_NATS_URL), so the ledger is a local file: ${file}`);
  return fileSink(file);
}
