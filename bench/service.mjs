// The service of the measures: a pipeline with a journal on this machine's disk and JetStream behind it, and a hundred
// messages being handled, each in a run of its own, in which it records tool calls.
import { mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { context } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { audit, createAuditPipeline, memorySink, openJournal, registerPipeline } from '@spanledger/audit';
import { connectNats, jetStreamSink } from '@spanledger/jetstream';
import { bindWorkflow, receive } from '@spanledger/otel';
import { EVENT_BYTES, RUNS } from './events.mjs';

const PRODUCER = 'bench';

/** A journal with the default options in a folder of its own. */
export async function openBenchJournal(directory) {
  const folder = await mkdtemp(path.join(directory, 'journal-'));
  const journal = openJournal({ directory: folder, producer: PRODUCER });
  return { journal, remove: () => rm(folder, { recursive: true }) };
}

/** A pipeline with all defaults, that nothing knows yet. */
export async function startPipeline({ url, stream, directory }) {
  const connection = await connectNats({ servers: url });
  const { journal, remove } = await openBenchJournal(directory);
  const pipeline = createAuditPipeline({
    producer: PRODUCER,
    sink: jetStreamSink({ connection, stream }),
    journal,
  });
  const stop = async () => {
    await pipeline.shutdown();
    await connection.close();
    await remove();
  };
  return { pipeline, journal, stop };
}

/** The same as the pipeline of this process, and `record(i)`, which emits an event of 600 sealed bytes in one of the runs. */
export async function startService(target) {
  const padding = await prepare();
  const service = await startPipeline(target);
  registerPipeline(service.pipeline);
  return { ...service, record: await recorder(padding) };
}

/** The same without journal and NATS, and with events kept in memory, for a measure that makes several of them in turn. */
export async function startInMemory(padding, signing) {
  const pipeline = createAuditPipeline({ producer: PRODUCER, sink: memorySink(), signing });
  const unregister = registerPipeline(pipeline);
  const stop = async () => {
    unregister();
    await pipeline.shutdown();
  };
  return { pipeline, stop, record: await recorder(padding) };
}

/** Once in a process. @returns what fills an event up to its size. */
export async function prepare() {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  return paddingOf(EVENT_BYTES);
}

async function recorder(padding) {
  const emits = await handleMessages(RUNS);
  return (i) => emits[i % RUNS](toolCall(padding));
}

const toolCall = (padding) => ({
  event: 'tool_exec',
  durationMs: 12,
  fields: { tool: 'search', call_id: 'call-1', pad: padding },
});

/** Messages whose handling does not end, and `audit.emit` in each of them. */
function handleMessages(count) {
  const handling = Array.from({ length: count }, (_, i) => {
    const headers = { 'X-Workflow-Id': 'bench', 'X-Workflow-Execution-Id': `execution-${i}` };
    return new Promise((begun) => {
      void receive(headers, () => {
        begun(bindWorkflow(audit.emit));
        return new Promise(() => {});
      });
    });
  });
  return Promise.all(handling);
}

/** What fills an event up to so many bytes. */
async function paddingOf(bytes) {
  const sink = memorySink();
  const pipeline = createAuditPipeline({ producer: PRODUCER, sink });
  const unregister = registerPipeline(pipeline);
  const [emit] = await handleMessages(1);
  for (let i = 0; i < 1_000; i += 1) emit(toolCall(''));
  await pipeline.flush();
  unregister();
  return 'x'.repeat(bytes - sink.records.at(-1).bytes.length);
}
