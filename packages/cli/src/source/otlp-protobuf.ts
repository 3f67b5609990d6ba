import protobuf from 'protobufjs/light.js';

/**
 * What rules look at of `ExportTraceServiceRequest` of opentelemetry-proto 1.x, under the names that OTLP/JSON has. Fields that are
 * not here are skipped.
 */
const { root } = protobuf.Root.fromJSON({
  nested: {
    Request: message({ resourceSpans: ['ResourceSpans', 1, 'repeated'] }),
    ResourceSpans: message({ scopeSpans: ['ScopeSpans', 2, 'repeated'] }),
    ScopeSpans: message({ scope: ['Scope', 1], spans: ['Span', 2, 'repeated'] }),
    Scope: message({ name: ['string', 1] }),
    Span: message({
      traceId: ['bytes', 1],
      spanId: ['bytes', 2],
      name: ['string', 5],
      kind: ['int32', 6],
      attributes: ['KeyValue', 9, 'repeated'],
      events: ['Event', 11, 'repeated'],
      droppedEventsCount: ['uint32', 12],
      status: ['Status', 15],
    }),
    Event: message({ name: ['string', 2], attributes: ['KeyValue', 3, 'repeated'] }),
    Status: message({ message: ['string', 2], code: ['int32', 3] }),
    KeyValue: message({ key: ['string', 1], value: ['AnyValue', 2] }),
    AnyValue: message(
      {
        stringValue: ['string', 1],
        boolValue: ['bool', 2],
        intValue: ['int64', 3],
        doubleValue: ['double', 4],
        arrayValue: ['ArrayValue', 5],
      },
      // So that `false`, 0 and '' are values, and not absence.
      { value: { oneof: ['stringValue', 'boolValue', 'intValue', 'doubleValue', 'arrayValue'] } },
    ),
    ArrayValue: message({ values: ['AnyValue', 1, 'repeated'] }),
  },
});
const REQUEST = root.lookupType('Request');

type FieldPlan = readonly [type: string, id: number, rule?: 'repeated'];

function message(fields: Readonly<Record<string, FieldPlan>>, oneofs?: protobuf.IType['oneofs']): protobuf.IType {
  const plans = Object.entries(fields).map(([name, [type, id, rule]]) => [name, { type, id, ...(rule && { rule }) }]);
  return { fields: Object.fromEntries(plans) as protobuf.IType['fields'], ...(oneofs && { oneofs }) };
}

/**
 * Reads an OTLP request in protobuf as the document that OTLP/JSON would have been.
 *
 * @returns `undefined` if it is none, or nested deeper than 100 levels.
 */
export function readOtlpProtobuf(bytes: Uint8Array): object | undefined {
  try {
    const request = REQUEST.toObject(REQUEST.decode(bytes), { longs: String });
    for (const span of spansOf(request)) {
      span.traceId = hex(span.traceId);
      span.spanId = hex(span.spanId);
    }
    // Empty is a request too.
    return { resourceSpans: [], ...request };
  } catch {
    return undefined;
  }
}

interface SpanIds {
  traceId?: unknown;
  spanId?: unknown;
}

function spansOf(request: { resourceSpans?: { scopeSpans?: { spans?: SpanIds[] }[] }[] }): SpanIds[] {
  const resources = request.resourceSpans ?? [];
  return resources.flatMap(({ scopeSpans = [] }) => scopeSpans.flatMap(({ spans = [] }) => spans));
}

function hex(id: unknown): string {
  return id instanceof Uint8Array ? Buffer.from(id).toString('hex') : '';
}
