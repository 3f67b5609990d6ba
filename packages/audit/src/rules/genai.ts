import { SpanKind } from '@opentelemetry/api';
import type { EventDetails } from '../event-input.ts';
import type { SpanView } from '../span/span-view.ts';
import type { DataRule, RecordLevel } from './designation-rule.ts';

export interface GenaiRuleOptions {
  /** `payload` records prompts, completions, tool arguments and results, bounded; `metadata` (default) their sizes. */
  readonly level?: RecordLevel;
}

const MODEL_OPERATION = /^(chat|text_completion|generate_content|embeddings)$/;
const CANCELLED = /abort|cancel/i;

const MODEL_FIELDS = {
  operation: 'gen_ai.operation.name',
  requested_model: 'gen_ai.request.model',
  finish_reasons: 'gen_ai.response.finish_reasons',
  prompt_messages: ['gen_ai.input.messages', 'gen_ai.prompt'],
  completion: ['gen_ai.output.messages', 'gen_ai.completion'],
  system_instructions: 'gen_ai.system_instructions',
};

const TOOL_FIELDS = {
  tool: 'gen_ai.tool.name',
  tool_type: 'gen_ai.tool.type',
  tool_call_id: 'gen_ai.tool.call.id',
  args: 'gen_ai.tool.call.arguments',
  result: 'gen_ai.tool.call.result',
};

/**
 * Spans by OpenTelemetry's GenAI and MCP conventions, with their current and older names:
 *
 * - model calls: `llm_call`, `llm_call_failed`, `llm_call_cancelled`, with model (the one that answered, else the one
 *   asked for), provider, tokens and request id; the conversation is the `session_id`;
 * - tools: `tool_exec`; calls of a tool on an MCP server: `mcp_tool_call`, and `tool_exec` on the server.
 *
 * Agent and workflow spans (`invoke_agent`, …) are none of these.
 */
export function genai(options: GenaiRuleOptions = {}): DataRule[] {
  const { level = 'metadata' } = options;
  const tool = { level, fields: TOOL_FIELDS, details: conversation };
  const model = { level, fields: MODEL_FIELDS, details: modelDetails };
  const mcpCall = { 'mcp.method.name': 'tools/call' };
  const modelCall = { 'gen_ai.operation.name': MODEL_OPERATION };
  return [
    { when: { kind: SpanKind.SERVER, attributes: mcpCall }, event: 'tool_exec', ...tool },
    { when: { attributes: mcpCall }, event: 'mcp_tool_call', ...tool },
    { when: { attributes: { 'gen_ai.operation.name': 'execute_tool' } }, event: 'tool_exec', ...tool },
    {
      when: { attributes: { ...modelCall, 'error.type': CANCELLED } },
      event: { end: 'llm_call', error: 'llm_call_cancelled' },
      ...model,
    },
    { when: { attributes: modelCall }, event: { end: 'llm_call', error: 'llm_call_failed' }, ...model },
  ];
}

function modelDetails(span: SpanView): EventDetails {
  const model = text(span, 'gen_ai.response.model', 'gen_ai.request.model');
  const provider = text(span, 'gen_ai.provider.name', 'gen_ai.system');
  const requestId = text(span, 'gen_ai.response.id');
  return {
    ...conversation(span),
    ...tokens(span),
    ...(model && { model }),
    ...(provider && { provider }),
    ...(requestId && { requestId }),
  };
}

function conversation(span: SpanView): EventDetails {
  const sessionId = text(span, 'gen_ai.conversation.id');
  return sessionId === undefined ? {} : { sessionId };
}

/** Nothing reported is not zero: whoever bills must see the difference. */
function tokens(span: SpanView): EventDetails {
  const inputTokens = count(span, 'gen_ai.usage.input_tokens', 'gen_ai.usage.prompt_tokens');
  const outputTokens = count(span, 'gen_ai.usage.output_tokens', 'gen_ai.usage.completion_tokens');
  if (inputTokens === undefined && outputTokens === undefined) return { tokensUnavailable: true };
  return { ...(inputTokens !== undefined && { inputTokens }), ...(outputTokens !== undefined && { outputTokens }) };
}

function text({ attributes }: SpanView, ...keys: string[]): string | undefined {
  const key = keys.find((one) => typeof attributes[one] === 'string' && attributes[one] !== '');
  return key === undefined ? undefined : (attributes[key] as string);
}

function count({ attributes }: SpanView, ...keys: string[]): number | undefined {
  const key = keys.find((one) => Number.isSafeInteger(attributes[one]) && (attributes[one] as number) >= 0);
  return key === undefined ? undefined : (attributes[key] as number);
}
