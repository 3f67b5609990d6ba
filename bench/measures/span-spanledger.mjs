// Process CPU per audited span, from `startSpan` to journaled, and acknowledged by JetStream. No other exporter is there.
import { AuditSpanProcessor, genai } from '@spanledger/audit';
import { WorkflowSampler, WorkflowSpanProcessor } from '@spanledger/otel';
import { input, report, timed } from '../measure.mjs';
import { startPipeline } from '../service.mjs';
import { AlwaysOnSampler, makeSpan, tracerOf } from '../spans.mjs';
import { percentile } from '../statistics.mjs';

const { pipeline, stop } = await startPipeline(input);
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
const times = await hookTimes();
await stop();
report({ cpuUs: (cpuSeconds / input.count) * 1e6, ...times });

/** Time inside `onStart` and `onEnd` of a designated span, in microseconds, while events are being published. */
async function hookTimes() {
  const taken = [];
  const clocked = (hook) =>
    function clockedHook(...args) {
      const started = process.hrtime.bigint();
      hook.apply(audit, args);
      taken.push(Number(process.hrtime.bigint() - started) / 1e3);
    };
  audit.onStart = clocked(audit.onStart);
  audit.onEnd = clocked(audit.onEnd);
  await run(input.count);
  const perSpan = [];
  for (let i = 0; i + 1 < taken.length; i += 2) perSpan.push(taken[i] + taken[i + 1]);
  perSpan.sort((a, b) => a - b);
  return { hookP50Us: percentile(perSpan, 0.5), hookP99Us: percentile(perSpan, 0.99) };
}
