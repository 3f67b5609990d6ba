// Process CPU per span of BatchSpanProcessor and the OTLP/HTTP exporter, to a receiver in another process.
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { input, report, timed } from '../measure.mjs';
import { makeSpan, tracerOf } from '../spans.mjs';

const processor = new BatchSpanProcessor(new OTLPTraceExporter({ url: input.receiverUrl }));
const tracer = tracerOf([processor]);
// It drops what is past its queue, so it is given one batch at a time, and waited for.
const run = async (count) => {
  for (let made = 0; made < count; made += input.batch) {
    for (let i = 0; i < input.batch; i += 1) makeSpan(tracer);
    await processor.forceFlush();
  }
};

await run(input.warmup);
const { cpuSeconds } = await timed(() => run(input.count));
report({ cpuUs: (cpuSeconds / input.count) * 1e6 });
