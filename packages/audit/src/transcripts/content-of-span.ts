import type { Attributes } from '@opentelemetry/api';
import type { SpanEventView, SpanView } from '../span/span-view.ts';
import { joinSources, parsed } from './genai-content.ts';
import type { ContentSource, GenAiContent } from './genai-content.ts';

const SYSTEM = 'gen_ai.system_instructions';
const DETAILS = 'gen_ai.client.inference.operation.details';
const MESSAGE = /^gen_ai\.(system|user|assistant|tool)\.message$/;
/** On message events beside the message. */
const ABOUT = new Set(['gen_ai.system', 'gen_ai.provider.name', 'event.name', 'gen_ai.event.content']);

/** Where each kind is found, with the current names and the older ones. */
const PLACES = {
  input: { messages: 'gen_ai.input.messages', text: 'gen_ai.prompt', event: 'gen_ai.content.prompt' },
  output: { messages: 'gen_ai.output.messages', text: 'gen_ai.completion', event: 'gen_ai.content.completion' },
} as const;

type Kind = GenAiContent['kind'];
type Place = (typeof PLACES)[Kind];

/**
 * The content of a GenAI span: a model's input and output, by OpenTelemetry's conventions. Of each, the first form there is:
 *
 * 1. attributes `gen_ai.input.messages`, `gen_ai.output.messages`; or the same on a span event `gen_ai.client.inference.operation.details`;
 * 2. attributes `gen_ai.prompt`, `gen_ai.completion`; also one for each member: `gen_ai.prompt.0.role`;
 * 3. span events `gen_ai.content.prompt`, `gen_ai.content.completion`;
 * 4. span events `gen_ai.system.message`, `gen_ai.user.message`, `gen_ai.assistant.message`, `gen_ai.tool.message`, `gen_ai.choice`.
 *
 * `gen_ai.system_instructions` come first in the input.
 *
 * @param failed told of what is too large, or cannot be read; it is left out.
 */
export function contentOfSpan(
  span: SpanView,
  contentMax: number,
  failed: (cause: unknown) => void,
): readonly GenAiContent[] {
  const found: GenAiContent[] = [];
  for (const kind of ['input', 'output'] as const) {
    try {
      const sources = sourcesOf(kind, span);
      if (sources.length > 0) found.push({ kind, content: joinSources(sources, contentMax) });
    } catch (error) {
      failed(error);
    }
  }
  return found;
}

function sourcesOf(kind: Kind, { attributes, events }: SpanView): readonly ContentSource[] {
  const place = PLACES[kind];
  const details = events.length > 0 ? events.find(({ name }) => name === DETAILS)?.attributes : undefined;
  const sources =
    valueOf(attributes, place.messages) ??
    valueOf(details, place.messages) ??
    valueOf(attributes, place.text) ??
    flattened(attributes, place) ??
    (events.length > 0 ? (contentEvent(events, place) ?? messageEvents(events, kind)) : NONE);
  const system = kind === 'input' ? (attributes[SYSTEM] ?? details?.[SYSTEM]) : undefined;
  return isThere(system) ? [{ role: 'system', value: system }, ...sources] : sources;
}

const NONE: readonly ContentSource[] = [];

function isThere(value: unknown): boolean {
  return value !== undefined && value !== null && value !== '';
}

function valueOf(attributes: Attributes | undefined, key: string): readonly ContentSource[] | undefined {
  const value = attributes?.[key];
  return isThere(value) ? [{ value }] : undefined;
}

/** `gen_ai.prompt.0.role`, `gen_ai.prompt.0.content`, `gen_ai.completion.0.tool_calls.0.name`, …, as some instrumentations have them. */
function flattened(attributes: Attributes, { text }: Place): readonly ContentSource[] | undefined {
  if (!(`${text}.0.role` in attributes) && !(`${text}.0.content` in attributes)) return undefined;
  const messages = new Map<number, Record<string, unknown>>();
  for (const [key, value] of Object.entries(attributes)) {
    if (!key.startsWith(`${text}.`)) continue;
    const rest = key.slice(text.length + 1);
    const dot = rest.indexOf('.');
    const number = Number(rest.slice(0, dot));
    if (dot < 1 || !Number.isSafeInteger(number)) continue;
    const message = messages.get(number) ?? {};
    messages.set(number, message);
    // A name such as `__proto__` is one of its own, not where it comes from.
    Object.defineProperty(message, rest.slice(dot + 1), { value, enumerable: true });
  }
  return [...messages].sort(([a], [b]) => a - b).map(([, value]) => ({ value }));
}

function contentEvent(events: readonly SpanEventView[], { text, event }: Place): readonly ContentSource[] | undefined {
  const sources = events.flatMap(({ name, attributes }) => (name === event ? (valueOf(attributes, text) ?? []) : []));
  return sources.length > 0 ? sources : undefined;
}

function messageEvents(events: readonly SpanEventView[], kind: Kind): readonly ContentSource[] {
  return events.flatMap(({ name, attributes = {} }) => {
    const role = kind === 'output' ? (name === 'gen_ai.choice' ? 'assistant' : undefined) : MESSAGE.exec(name)?.[1];
    return role === undefined ? [] : [{ role, value: messageOf(attributes) }];
  });
}

/** The body of a message event: as one attribute, or an attribute for each member. */
function messageOf(attributes: Attributes): unknown {
  const body = attributes['gen_ai.event.content'];
  if (isThere(body)) return body;
  const members = Object.entries(attributes).filter(([key]) => !ABOUT.has(key));
  return Object.fromEntries(members.map(([key, value]) => [key, memberOf(key, value)]));
}

/** A nested member is JSON, because an attribute cannot be an object; content is a text, whatever it looks like. */
function memberOf(key: string, value: unknown): unknown {
  const isNested = (key === 'message' || key === 'tool_calls') && typeof value === 'string';
  return isNested ? (parsed(value) ?? value) : value;
}
