// What a span costs more because we are there, although no rule designates it: sampled, and not sampled.
import { AuditSpanProcessor, createAuditPipeline, http, lifecycle, memorySink } from '@spanledger/audit';
import { WorkflowSampler, WorkflowSpanProcessor } from '@spanledger/otel';
import { input, report } from '../measure.mjs';
import { AlwaysOffSampler, AlwaysOnSampler, makeSpan, tracerOf } from '../spans.mjs';
import { median } from '../statistics.mjs';

const pipeline = createAuditPipeline({ producer: 'bench', sink: memorySink() });
const processors = () => [
  new WorkflowSpanProcessor(),
  new AuditSpanProcessor({ pipeline, rules: [lifecycle(), http()] }),
];

report({
  sampledAddedUs: added(tracerOf([]), tracerOf(processors(), new WorkflowSampler(new AlwaysOnSampler()))),
  unsampledAddedUs: added(
    tracerOf([], new AlwaysOffSampler()),
    tracerOf(processors(), new WorkflowSampler(new AlwaysOffSampler())),
  ),
});

/** Both in turn, round by round, so that a change of the machine's speed meets both. */
function added(bare, ours) {
  const differences = [];
  for (let round = 0; round < input.rounds; round += 1) {
    differences.push(-perSpanUs(bare) + perSpanUs(ours));
  }
  return median(differences.slice(Math.floor(input.rounds / 4)));
}

function perSpanUs(tracer) {
  const started = process.hrtime.bigint();
  for (let i = 0; i < input.count; i += 1) makeSpan(tracer);
  return Number(process.hrtime.bigint() - started) / 1e3 / input.count;
}
