// Stands in for a language model and its tools: the spans are those that GenAI instrumentation makes.
import { SpanKind, trace } from '@opentelemetry/api';

const tracer = trace.getTracer('research-workflow-model');

const later = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** One chat completion, as OpenTelemetry's GenAI conventions describe it. */
export function chat(model, prompt) {
  const attributes = {
    'gen_ai.operation.name': 'chat',
    'gen_ai.provider.name': 'example',
    'gen_ai.request.model': model,
  };
  return tracer.startActiveSpan(`chat ${model}`, { kind: SpanKind.CLIENT, attributes }, async (span) => {
    await later(5 + (prompt.length % 20));
    const answer = `${model} on "${prompt}"`;
    span.setAttributes({
      'gen_ai.response.id': `resp-${span.spanContext().spanId}`,
      'gen_ai.usage.input_tokens': prompt.length,
      'gen_ai.usage.output_tokens': answer.length,
    });
    span.end();
    return answer;
  });
}

/** One tool call. */
export function callTool(name, work) {
  const attributes = { 'gen_ai.operation.name': 'execute_tool', 'gen_ai.tool.name': name };
  return tracer.startActiveSpan(`execute_tool ${name}`, { attributes }, async (span) => {
    try {
      return await work();
    } finally {
      span.end();
    }
  });
}
