// The pipeline alone, without OpenTelemetry's SDK: it starts in a third of the time, and is killed often.
import { setTimeout as delay } from 'node:timers/promises';
import { createAuditPipeline, openJournal } from '@spanledger/audit';
import { connectNats, ensureStream, jetStreamSink } from '@spanledger/jetstream';
import { Run } from '@spanledger/otel/internal';
import { failingSigning } from './failing-signer.mjs';
import { offerEvents, options } from './offering.mjs';

/** Who may not ask, publishes all the same. */
const STREAM_GRACE_MS = 1_000;
const STREAM_ATTEMPTS = 10;

const { producer, servers, stream, journal } = options;

const pipeline = createAuditPipeline({
  ...options.pipeline,
  producer,
  sink: jetStreamSink({
    ...options.sink,
    connection: async (signal) => {
      const connection = await connectNats({ ...options.nats, servers, name: producer, signal });
      await Promise.race([makeStream(connection), delay(STREAM_GRACE_MS)]);
      return connection;
    },
    stream: stream.stream,
    onAlarm: (error) => console.error(`alarm: ${error.message}`),
  }),
  journal: journal === false ? undefined : openJournal({ ...journal, producer }),
  signing: options.signing && failingSigning(options.signing),
});

/** A cluster that has only just started, or a network that is broken already, may not answer at first. */
async function makeStream(connection) {
  for (let attempt = 1; attempt <= STREAM_ATTEMPTS; attempt += 1) {
    if ((await ensureStream(connection, stream)).status !== 'unknown') return;
    await delay(STREAM_GRACE_MS);
  }
}

await offerEvents({
  openRun: () => {
    const workflow = { workflowId: 'faults' };
    const scope = { run: new Run('workflow', workflow), workflow };
    pipeline.emit(scope, { event: 'workflow_started' });
    return {
      emit: (fields) => pipeline.emit(scope, { event: 'work', fields }),
      end: () => pipeline.emit(scope, { event: 'workflow_complete' }),
    };
  },
  health: () => pipeline.health(),
  finish: async (deadlineMs) => {
    const inTime = await pipeline.flush(deadlineMs);
    await pipeline.shutdown();
    return inTime;
  },
});
