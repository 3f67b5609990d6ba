import { SpanStatusCode } from '@opentelemetry/api';
import type { Attributes } from '@opentelemetry/api';
import { boundText } from '@spanledger/otel/internal';
import { AUDIT_EVENT_ATTRIBUTE } from '@spanledger/protocol';
import type { JsonValue } from '@spanledger/protocol';
import { isApplicationEvent } from '../application-event.ts';
import { eventInput } from '../event-input.ts';
import type { EventInput, Place } from '../event-input.ts';
import type { CompiledRules, EventContent, Match, StartRule } from '../rules/compile-rules.ts';
import { recordFields } from '../rules/read-fields.ts';
import type { SpanFaults } from './span-faults.ts';
import { placeAt, placeAtEnd } from './span-place.ts';
import type { SpanView } from './span-view.ts';
import type { SpanTranscripts } from '../transcripts/span-transcripts.ts';

const ERROR_TYPE_MAX = 128;
const ERROR_MESSAGE_MAX = 512;

/** @returns the first rule that decides at the start and matches, if any. */
export function findStartRule(span: SpanView, rules: CompiledRules, faults: SpanFaults): StartRule | undefined {
  for (const rule of rules.startRules) {
    try {
      if (rule.matches(span)) return rule;
    } catch (error) {
      faults.report('rule', error);
    }
  }
  return undefined;
}

export function startEvent(span: SpanView, rule: StartRule, faults: SpanFaults): EventInput {
  return inputOf(rule.event, placeAt(span, span.startTime), () => rule.content(span), faults);
}

/**
 * All that an ended span says to the ledger, in order: its marked span events, each at its own time, then the span itself.
 *
 * @param bound the rule that matched at the start.
 * @param transcripts where its GenAI content is kept, if it is.
 */
export function endEvents(
  span: SpanView,
  rules: CompiledRules,
  bound: StartRule | undefined,
  faults: SpanFaults,
  transcripts: SpanTranscripts | undefined,
): readonly EventInput[] {
  const marked = span.events.length > 0 ? markedEvents(span, faults) : NONE;
  const end = endEvent(span, rules, bound, faults, transcripts);
  if (end === undefined) return marked;
  return marked.length === 0 ? [end] : [...marked, end];
}

const NONE: readonly EventInput[] = [];

function endEvent(
  span: SpanView,
  rules: CompiledRules,
  bound: StartRule | undefined,
  faults: SpanFaults,
  transcripts: SpanTranscripts | undefined,
): EventInput | undefined {
  const match = bound === undefined ? findMatch(span, rules, faults) : bound.end(span);
  // The span's own word overrides the name; the rule still says what is recorded.
  const event = ownEventName(span.attributes, faults) ?? match?.event;
  if (event === undefined) return undefined;
  const input = inputOf(event, placeAtEnd(span), () => withErrorAndDrops(match?.content(), span), faults);
  const content = transcripts?.contentOf(span);
  return content === undefined ? input : { ...input, content };
}

function findMatch(span: SpanView, rules: CompiledRules, faults: SpanFaults): Match | undefined {
  for (const rule of rules.endRules) {
    try {
      const match = rule(span);
      if (match !== undefined) return match;
    } catch (error) {
      faults.report('rule', error);
    }
  }
  return undefined;
}

/**
 * Span events with the attribute `forge.audit.event`. Whoever set the mark set the attributes beside it, in one call, so
 * they are its fields, content withheld.
 */
function markedEvents(span: SpanView, faults: SpanFaults): readonly EventInput[] {
  const inputs: EventInput[] = [];
  for (const { attributes, time } of span.events) {
    const event = attributes && ownEventName(attributes, faults);
    if (event === undefined) continue;
    const content = (): EventContent => {
      const { [AUDIT_EVENT_ATTRIBUTE]: _, ...rest } = attributes as Attributes;
      return { fields: { ...recordFields(rest, 'metadata'), ...dropped(span) } };
    };
    inputs.push(inputOf(event, placeAt(span, time), content, faults));
  }
  return inputs;
}

function ownEventName(attributes: Attributes, faults: SpanFaults): string | undefined {
  const name = attributes[AUDIT_EVENT_ATTRIBUTE];
  if (name === undefined || isApplicationEvent(name)) return name;
  faults.report('event_name', boundText(String(name), ERROR_TYPE_MAX));
  return undefined;
}

/** I6: content that cannot be read is lost; the event is not. */
function inputOf(event: string, place: Place, content: () => EventContent, faults: SpanFaults): EventInput {
  try {
    const { details, fields } = content();
    return eventInput(event, place, details, fields);
  } catch (error) {
    faults.report('content', error);
    return eventInput(event, place, undefined, { '…': '[unreadable]' });
  }
}

function withErrorAndDrops(content: EventContent | undefined, span: SpanView): EventContent {
  const failed = span.status.code === SpanStatusCode.ERROR ? errorFields(span) : undefined;
  const drops = dropped(span);
  const isPlain = failed === undefined && drops === undefined;
  return { details: content?.details, fields: isPlain ? content?.fields : { ...content?.fields, ...failed, ...drops } };
}

/** What a reader of an error needs, whatever a rule lists. */
function errorFields(span: SpanView): Record<string, JsonValue> {
  const type = span.attributes['error.type'] ?? lastExceptionType(span);
  const { message } = span.status;
  return {
    status: 'error',
    ...(type !== undefined && { error_type: boundText(String(type), ERROR_TYPE_MAX) }),
    ...(message && { error_message: boundText(message, ERROR_MESSAGE_MAX) }),
  };
}

function lastExceptionType(span: SpanView): unknown {
  return span.events.findLast(({ name }) => name === 'exception')?.attributes?.['exception.type'];
}

/** Marked events may be among those that the SDK's limits dropped. */
function dropped({ droppedEventsCount }: SpanView): Record<string, JsonValue> | undefined {
  return droppedEventsCount > 0 ? { dropped_span_events: droppedEventsCount } : undefined;
}
