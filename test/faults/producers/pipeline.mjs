// The pipeline alone, without OpenTelemetry's SDK: it starts in a third of the time, and is killed often.
import { createAuditPipeline, openJournal } from '@spanledger/audit';
import { connectNats, ensureStream, jetStreamSink } from '@spanledger/jetstream';
import { Run } from '@spanledger/otel/internal';
import { offerEvents, options } from './offering.mjs';

const { producer, servers, stream, journal } = options;

const pipeline = createAuditPipeline({
  ...options.pipeline,
  producer,
  sink: jetStreamSink({
    ...options.sink,
    connection: async (signal) => {
      const connection = await connectNats({ ...options.nats, servers, name: producer, signal });
      await ensureStream(connection, stream);
      return connection;
    },
    stream: stream.stream,
    onAlarm: (error) => console.error(`alarm: ${error.message}`),
  }),
  journal: journal === false ? undefined : openJournal({ ...journal, producer }),
});

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
