// Process CPU per audited span, from `startSpan` to acknowledged by JetStream. No other exporter is there.
import { AuditSpanProcessor, createAuditPipeline, genai } from '@spanledger/audit';
import { connectNats, jetStreamSink } from '@spanledger/jetstream';
import { WorkflowSampler, WorkflowSpanProcessor } from '@spanledger/otel';
import { input, report, timed } from '../measure.mjs';
import { AlwaysOnSampler, makeSpan, tracerOf } from '../spans.mjs';
import { percentile } from '../statistics.mjs';

const connection = await connectNats({ servers: input.url });
const pipeline = createAuditPipeline({
  producer: 'bench',
  sink: jetStreamSink({ connection, stream: input.stream }),
});
const audit = new AuditSpanProcessor({ pipeline, rules: [genai()] });
const tracer = tracerOf([new WorkflowSpanProcessor(), audit], new WorkflowSampler(new AlwaysOnSampler()));
const run = async (count) => {
  for (let made = 0; made < count; made += input.batch) {
    for (let i = 0; i < input.batch; i += 1) makeSpan(tracer);
    if (!(await pipeline.flush(30_000))) throw new Error('the events were not acknowledged within 30 s');
  }
};

await run(input.warmup);
const { cpuSeconds } = await timed(() => run(input.count));
report({ cpuUs: (cpuSeconds / input.count) * 1e6, ...(await hookTimes()) });

/** Time inside `onStart` and `onEnd` of a designated span, in microseconds, while events are being published. */
async function hookTimes() {
  const times = [];
  const clocked = (hook) =>
    function clockedHook(...args) {
      const started = process.hrtime.bigint();
      hook.apply(audit, args);
      times.push(Number(process.hrtime.bigint() - started) / 1e3);
    };
  audit.onStart = clocked(audit.onStart);
  audit.onEnd = clocked(audit.onEnd);
  await run(input.count);
  const perSpan = [];
  for (let i = 0; i + 1 < times.length; i += 2) perSpan.push(times[i] + times[i + 1]);
  perSpan.sort((a, b) => a - b);
  return { hookP50Us: percentile(perSpan, 0.5), hookP99Us: percentile(perSpan, 0.99) };
}
