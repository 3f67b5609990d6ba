import type { Attributes } from '@opentelemetry/api';
import type { SpanView } from '../span/span-view.ts';
import { joinSources, parsed } from './genai-content.ts';
import type { ContentSource, GenAiContent } from './genai-content.ts';
import { CONTENT_KINDS, DETAILS_EVENT, EVENT_BODY, PLACES, SYSTEM_INSTRUCTIONS, roleOf } from './genai-conventions.ts';
import type { ContentEvent, ContentKind, Place } from './genai-conventions.ts';
import type { LoggedContent } from './logged-content.ts';

type Sources = readonly ContentSource[];
type EventAttributes = NonNullable<ContentEvent['attributes']>;

/** On message events beside the message. */
const ABOUT = new Set(['gen_ai.system', 'gen_ai.provider.name', 'event.name', EVENT_BODY]);
const NONE: readonly never[] = [];

/**
 * The content of a GenAI span: a model's input and output, by OpenTelemetry's conventions. Of each, the first form there is:
 *
 * 1. attributes `gen_ai.input.messages`, `gen_ai.output.messages`; or the same on span events `gen_ai.client.inference.operation.details`;
 * 2. attributes `gen_ai.prompt`, `gen_ai.completion`; also one for each member: `gen_ai.prompt.0.role`;
 * 3. span events `gen_ai.content.prompt`, `gen_ai.content.completion`;
 * 4. span events `gen_ai.system.message`, `gen_ai.user.message`, `gen_ai.assistant.message`, `gen_ai.tool.message`, `gen_ai.choice`;
 * 5. log records: those with the details, else those of messages.
 *
 * `gen_ai.system_instructions` come first in the input.
 *
 * @param failed told of what is too large, or cannot be read; it is left out.
 */
export function contentOfSpan(
  span: SpanView,
  logged: LoggedContent | undefined,
  contentMax: number,
  failed: (cause: unknown) => void,
): readonly GenAiContent[] {
  const found: GenAiContent[] = [];
  for (const kind of CONTENT_KINDS) {
    try {
      const sources = sourcesOf(kind, span, logged);
      if (sources.length > 0) found.push({ kind, content: joinSources(sources, contentMax) });
    } catch (error) {
      failed(error);
    }
  }
  return found;
}

function sourcesOf(kind: ContentKind, span: SpanView, logged: LoggedContent | undefined): Sources {
  const ofSpan = spanSources(kind, span);
  const records = ofSpan === undefined ? (logged?.eventsOf(kind) ?? NONE) : NONE;
  const sources = ofSpan ?? eventSources(kind, records);
  const system = kind === 'input' ? systemInstructions(span.attributes, [...span.events, ...records]) : undefined;
  return system === undefined ? (sources ?? NONE) : [{ role: 'system', value: system }, ...(sources ?? NONE)];
}

function spanSources(kind: ContentKind, { attributes, events }: SpanView): Sources | undefined {
  const place = PLACES[kind];
  return (
    valueOf(attributes, place.messages) ??
    valuesOf(events, DETAILS_EVENT, place.messages) ??
    valueOf(attributes, place.text) ??
    flattened(attributes, place) ??
    valuesOf(events, place.event, place.text) ??
    messageEvents(events, kind)
  );
}

function eventSources(kind: ContentKind, events: readonly ContentEvent[]): Sources | undefined {
  return valuesOf(events, DETAILS_EVENT, PLACES[kind].messages) ?? messageEvents(events, kind);
}

function systemInstructions(attributes: Attributes, events: readonly ContentEvent[]): unknown {
  const [found] =
    valueOf(attributes, SYSTEM_INSTRUCTIONS) ?? valuesOf(events, DETAILS_EVENT, SYSTEM_INSTRUCTIONS) ?? NONE;
  return found?.value;
}

function isThere(value: unknown): boolean {
  return value !== undefined && value !== null && value !== '';
}

function valueOf(attributes: EventAttributes, key: string): Sources | undefined {
  const value = attributes[key];
  return isThere(value) ? [{ value }] : undefined;
}

/** Of all events of that name: a model's output may come in several. */
function valuesOf(events: readonly ContentEvent[], event: string, key: string): Sources | undefined {
  if (events.length === 0) return undefined;
  const of = events.filter(({ name }) => name === event);
  return someOf(of.flatMap(({ attributes = {} }) => valueOf(attributes, key) ?? NONE));
}

function someOf(sources: Sources): Sources | undefined {
  return sources.length > 0 ? sources : undefined;
}

/** `gen_ai.prompt.0.role`, `gen_ai.prompt.0.content`, `gen_ai.completion.0.tool_calls.0.name`, …, as some instrumentations have them. */
function flattened(attributes: Attributes, { text }: Place): Sources | undefined {
  if (!(`${text}.0.role` in attributes) && !(`${text}.0.content` in attributes)) return undefined;
  const messages = new Map<number, Record<string, unknown>>();
  for (const [key, value] of Object.entries(attributes)) {
    if (!key.startsWith(`${text}.`)) continue;
    const rest = key.slice(text.length + 1);
    const dot = rest.indexOf('.');
    const number = Number(rest.slice(0, dot));
    if (!/^\d+\./.test(rest) || !Number.isSafeInteger(number)) continue;
    const message = messages.get(number) ?? {};
    messages.set(number, message);
    // A name such as `__proto__` is one of its own, not where it comes from.
    Object.defineProperty(message, rest.slice(dot + 1), { value, enumerable: true });
  }
  return [...messages].sort(([a], [b]) => a - b).map(([, value]) => ({ value }));
}

function messageEvents(events: readonly ContentEvent[], kind: ContentKind): Sources | undefined {
  if (events.length === 0) return undefined;
  const sources = events.flatMap(({ name, attributes = {} }): Sources => {
    const role = roleOf(name, kind);
    return role === undefined ? NONE : [{ role, value: messageOf(attributes) }];
  });
  return someOf(sources);
}

/** The body of a message event: as one attribute, or an attribute for each member. */
function messageOf(attributes: EventAttributes): unknown {
  const body = attributes[EVENT_BODY];
  if (isThere(body)) return body;
  const members = Object.entries(attributes).filter(([key]) => !ABOUT.has(key));
  return Object.fromEntries(members.map(([key, value]) => [key, memberOf(key, value)]));
}

/** A nested member is JSON, because an attribute cannot be an object; content is a text, whatever it looks like. */
function memberOf(key: string, value: unknown): unknown {
  const isNested = (key === 'message' || key === 'tool_calls') && typeof value === 'string';
  return isNested ? (parsed(value) ?? value) : value;
}
