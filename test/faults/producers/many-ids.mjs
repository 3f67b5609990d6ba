// A service in which nothing repeats: every run has ids of its own, five of them, half of them in headers that it is sent and
// half in workflows that it runs itself.
import { ROOT_CONTEXT, SpanKind, context, propagation, trace } from '@opentelemetry/api';
import { getPipeline } from '@spanledger/audit';
import { start, workflow } from '@spanledger/node';
import { offerEvents, options } from './offering.mjs';

const { producer, servers, stream, journal } = options;

const handle = await start({
  producer,
  nats: { servers, stream },
  journal,
  audit: [{ when: { name: 'work' }, event: 'work', fields: { p: 'faults.p', r: 'faults.r', n: 'faults.n' } }],
});
const tracer = trace.getTracer('faults');
let opened = 0;

await offerEvents({
  openRun: () => {
    opened += 1;
    return opened % 2 === 0 ? receive(opened) : orchestrate(opened);
  },
  health: () => getPipeline().health(),
  finish: async (deadlineMs) => {
    await new Promise(setImmediate);
    const inTime = await handle.flush(deadlineMs);
    await handle.shutdown();
    return inTime;
  },
});

function receive(i) {
  const headers = {
    'x-workflow-id': `workflow-${i}`,
    'x-workflow-execution-id': `execution-${i}`,
    'x-workflow-stage-id': `stage-${i}`,
    'x-workflow-step-id': `step-${i}`,
    'x-invocation-caller': `caller-${i}`,
  };
  const extracted = propagation.extract(ROOT_CONTEXT, headers);
  const entry = tracer.startSpan(`GET /${i}`, { kind: SpanKind.SERVER }, extracted);
  const inRun = trace.setSpan(extracted, entry);
  return { emit: (fields) => record(inRun, fields), end: () => entry.end() };
}

function orchestrate(i) {
  return new Promise((open) => {
    const hold = () =>
      new Promise((end) => {
        const inRun = context.active();
        open({ emit: (fields) => record(inRun, fields), end });
      });
    const ids = { workflowId: `workflow-${i}`, executionId: `execution-${i}` };
    void workflow.run(ids, (run) => run.step(`step-${i}`, { stage: `stage-${i}` }, hold));
  });
}

function record(inRun, fields) {
  const attributes = Object.fromEntries(Object.entries(fields).map(([key, value]) => [`faults.${key}`, value]));
  tracer.startSpan('work', { attributes }, inRun).end();
}
