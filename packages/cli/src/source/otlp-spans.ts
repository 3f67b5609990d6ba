import { SpanKind, SpanStatusCode } from '@opentelemetry/api';
import type { SpanView } from '@spanledger/audit';

type Attributes = SpanView['attributes'];
type Json = Readonly<Record<string, unknown>>;

/** One span of an OTLP/JSON document, in the shape that rules are asked with. */
export interface OtlpSpan extends SpanView {
  readonly traceId: string;
  readonly spanId: string;
}

/** As OTLP counts them; some exporters write the names. A map, because what is looked up may be `__proto__`. */
const KINDS: ReadonlyMap<unknown, SpanKind> = new Map<unknown, SpanKind>([
  [1, SpanKind.INTERNAL],
  [2, SpanKind.SERVER],
  [3, SpanKind.CLIENT],
  [4, SpanKind.PRODUCER],
  [5, SpanKind.CONSUMER],
  ['SPAN_KIND_SERVER', SpanKind.SERVER],
  ['SPAN_KIND_CLIENT', SpanKind.CLIENT],
  ['SPAN_KIND_PRODUCER', SpanKind.PRODUCER],
  ['SPAN_KIND_CONSUMER', SpanKind.CONSUMER],
]);
const STATUSES: ReadonlyMap<unknown, SpanStatusCode> = new Map<unknown, SpanStatusCode>([
  [1, SpanStatusCode.OK],
  [2, SpanStatusCode.ERROR],
  ['STATUS_CODE_OK', SpanStatusCode.OK],
  ['STATUS_CODE_ERROR', SpanStatusCode.ERROR],
]);
const VALUE_DEPTH_MAX = 8;
const NEVER: SpanView['startTime'] = [0, 0];

/**
 * Reads the spans of OTLP/JSON: one document, or one to a line as the collector's file exporter writes them.
 *
 * @returns `undefined` if it is neither.
 */
export function readOtlpSpans(text: string): OtlpSpan[] | undefined {
  const documents = parseAll(text);
  if (documents === undefined || !documents.every((one) => Array.isArray(one['resourceSpans']))) return undefined;
  return documents.flatMap(spansOfDocument);
}

/** The spans of one parsed document. What has not the form of a span is passed over. */
export function spansOfDocument(document: Json): OtlpSpan[] {
  return objects(document['resourceSpans']).flatMap((resource) =>
    objects(resource['scopeSpans'] ?? resource['instrumentationLibrarySpans']).flatMap((scoped) => {
      const scope = object(scoped['scope'] ?? scoped['instrumentationLibrary']);
      return objects(scoped['spans']).map((span) => toSpan(span, textOf(scope['name'])));
    }),
  );
}

function parseAll(text: string): Json[] | undefined {
  try {
    return [JSON.parse(text) as Json].filter(isObject);
  } catch {
    // Not one document.
  }
  try {
    const lines = text.split('\n').filter((line) => line.trim() !== '');
    const documents = lines.map((line) => JSON.parse(line) as unknown);
    return documents.length > 0 && documents.every(isObject) ? documents : undefined;
  } catch {
    return undefined;
  }
}

function toSpan(span: Json, scope: string): OtlpSpan {
  const [traceId, spanId] = [textOf(span['traceId']), textOf(span['spanId'])];
  const status = object(span['status']);
  const message = textOf(status['message']);
  return {
    traceId,
    spanId,
    name: textOf(span['name']),
    kind: KINDS.get(span['kind']) ?? SpanKind.INTERNAL,
    spanContext: () => ({ traceId, spanId, traceFlags: 1 }),
    startTime: NEVER,
    endTime: NEVER,
    duration: NEVER,
    ended: true,
    status: {
      code: STATUSES.get(status['code']) ?? SpanStatusCode.UNSET,
      ...(message !== '' && { message }),
    },
    attributes: attributesOf(span['attributes']),
    events: objects(span['events']).map((event) => ({
      name: textOf(event['name']),
      time: NEVER,
      attributes: attributesOf(event['attributes']),
    })),
    droppedEventsCount: Number(span['droppedEventsCount'] ?? 0),
    instrumentationScope: { name: scope },
  };
}

/** Defined, not set: a key may be `__proto__`. */
function attributesOf(list: unknown): Attributes {
  const attributes: Attributes = {};
  for (const { key, value } of objects(list)) {
    const read = valueOf(object(value), 0);
    if (typeof key !== 'string' || read === undefined) continue;
    Object.defineProperty(attributes, key, { value: read, enumerable: true, configurable: true, writable: true });
  }
  return attributes;
}

function valueOf(value: Json, depth: number): Attributes[string] {
  if (typeof value['stringValue'] === 'string') return value['stringValue'];
  if (typeof value['boolValue'] === 'boolean') return value['boolValue'];
  // 64 bits travel as text.
  const number = value['intValue'] ?? value['doubleValue'];
  if (number !== undefined) return Number(number);
  if (value['arrayValue'] === undefined || depth === VALUE_DEPTH_MAX) return undefined;
  return objects(object(value['arrayValue'])['values']).map((item) => valueOf(item, depth + 1)) as string[];
}

function objects(value: unknown): Json[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function object(value: unknown): Json {
  return isObject(value) ? value : {};
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
