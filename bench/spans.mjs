// The span that the span measures make: a tool call with the attributes of one.
import { AlwaysOffSampler, AlwaysOnSampler, BasicTracerProvider } from '@opentelemetry/sdk-trace-base';

const attributes = {
  'gen_ai.operation.name': 'execute_tool',
  'gen_ai.tool.name': 'search',
  'gen_ai.tool.call.id': 'call-1',
  'server.address': 'tools.internal',
};

export function makeSpan(tracer) {
  tracer.startSpan('execute_tool search', { attributes }).end();
}

export function tracerOf(spanProcessors, sampler = new AlwaysOnSampler()) {
  return new BasicTracerProvider({ sampler, spanProcessors }).getTracer('bench');
}

export { AlwaysOffSampler, AlwaysOnSampler };
