// A whole service, as its author sets it up: start(), the SDK, spans and emits in workflow runs.
import { context, trace } from '@opentelemetry/api';
import { getPipeline } from '@spanledger/audit';
import { audit, start, workflow } from '@spanledger/node';
import { offerEvents, options } from './offering.mjs';

const { producer, servers, stream, journal } = options;

const handle = await start({
  ...options.pipeline,
  producer,
  nats: { servers, stream },
  journal,
  audit: [
    {
      when: { name: 'work' },
      event: 'work',
      fields: { p: 'faults.p', r: 'faults.r', n: 'faults.n', pad: 'faults.pad' },
    },
  ],
});
const tracer = trace.getTracer('faults');

await offerEvents({ openRun, health: () => getPipeline().health(), finish });

/** Opens a workflow run that lasts until `end` is called. */
function openRun() {
  return new Promise((opened) => {
    const orchestrate = () =>
      new Promise((end) => {
        const inRun = context.active();
        opened({ emit: (fields) => record(inRun, fields), end });
      });
    void workflow.run({ workflowId: 'faults' }, orchestrate);
  });
}

/** A span and an emit in turn. */
function record(inRun, fields) {
  if (fields.n % 2 === 0) {
    context.with(inRun, () => audit.emit({ event: 'work', fields }));
    return;
  }
  const attributes = Object.fromEntries(Object.entries(fields).map(([key, value]) => [`faults.${key}`, value]));
  tracer.startSpan('work', { attributes }, inRun).end();
}

async function finish(deadlineMs) {
  await new Promise(setImmediate); // The runs that were ended just now seal their terminal events.
  const inTime = await handle.flush(deadlineMs);
  await handle.shutdown();
  return inTime;
}
