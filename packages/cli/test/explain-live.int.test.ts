import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { SpanKind, SpanStatusCode } from '@opentelemetry/api';
import { OTLPTraceExporter as JsonExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as ProtobufExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { CompressionAlgorithm } from '@opentelemetry/otlp-exporter-base';
import type { SpanExporter } from '@opentelemetry/sdk-trace';
import { expect, it } from 'vitest';
import { Cli, cli, newDirectory } from './support.ts';

async function listen(...args: string[]): Promise<{ explaining: Cli; url: string }> {
  const explaining = new Cli(['explain', '--listen', '0', ...args]);
  await explaining.says('listening', 'stderr');
  const url = /http:\/\/127\.0\.0\.1:\d+/.exec(explaining.stderr)![0];
  return { explaining, url };
}

async function end({ explaining }: { explaining: Cli }): Promise<void> {
  explaining.child.kill('SIGINT');
  expect(await explaining.ended).toBe(0);
}

const SERVED = { 'http.request.method': 'GET', n: 7, list: ['a', 'b'], no: false, half: 0.5, none: '', zero: 0 };
const CHARGED = { 'forge.audit.event': 'payment' };
const FAILED = { code: SpanStatusCode.ERROR, message: 'declined' };

/** What a service would send, by the exporters that it would have. */
async function exportSpans(exporter: SpanExporter): Promise<void> {
  const provider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] });
  const tracer = provider.getTracer('@acme/http');
  tracer.startSpan('GET /users/:id', { kind: SpanKind.SERVER, attributes: SERVED }).end();
  const failed = tracer.startSpan('charge', { attributes: CHARGED });
  failed.setStatus(FAILED);
  failed.addEvent('tried', { attempt: 1 });
  failed.end();
  await provider.forceFlush();
  await provider.shutdown();
}

const EXPORTERS = [
  ['JSON', (url: string) => new JsonExporter({ url })],
  ['protobuf', (url: string) => new ProtobufExporter({ url })],
  ['protobuf with gzip', (url: string) => new ProtobufExporter({ url, compression: CompressionAlgorithm.GZIP })],
] as const;

it.each(EXPORTERS)('explains what a service exports as %s', async (_, createExporter) => {
  const text = await listen();
  await exportSpans(createExporter(`${text.url}/v1/traces`));
  // Each by a request of its own: either may be first.
  await text.explaining.says(
    /^GET \/users\/:id {2}http_request {2}server {2}@acme\/http {2}[0-9a-f]{16}\n {4}audit\[1\]\[0\] takes it\n/m,
  );
  await text.explaining.says(/^charge {2}payment {2}internal .*\n {4}named by the span itself: forge\.audit\.event\n/m);
  await end(text);

  const json = await listen('--json', '--span', 'charge');
  await exportSpans(createExporter(`${json.url}/v1/traces`));
  await json.explaining.says('\n');
  await end(json);
  const charge = { name: 'charge', kind: 'internal', scope: '@acme/http', events: ['payment'], named: true };
  expect(JSON.parse(json.explaining.stdout)).toMatchObject({
    ...charge,
    traceId: expect.stringMatching(/^[0-9a-f]{32}$/),
  });
});

it.each(EXPORTERS)('shows rules the values that the span had, from %s', async (_, createExporter) => {
  const rules = path.join(await newDirectory(), 'rules.mjs');
  await writeFile(
    rules,
    `import { deepEqual } from 'node:assert/strict';
    export const audit = [({ name, kind, status, attributes, events }) => {
      if (name === 'charge') {
        deepEqual({ status, attributes: { ...attributes } }, ${JSON.stringify({ status: FAILED, attributes: CHARGED })});
        deepEqual(events.map((one) => [one.name, { ...one.attributes }]), [['tried', { attempt: 1 }]]);
      } else deepEqual({ kind, attributes: { ...attributes } }, ${JSON.stringify({ kind: SpanKind.SERVER, attributes: SERVED })});
      return { event: 'same' };
    }];`,
  );
  const listening = await listen('--json', '--rules', rules);
  await exportSpans(createExporter(`${listening.url}/v1/traces`));
  await listening.explaining.says(/\n.*\n/);
  await end(listening);
  const lines = listening.explaining.stdout.trimEnd().split('\n');
  expect(lines.map((line) => JSON.parse(line).rules[0].verdict)).toEqual(['taken', 'taken']);
});

it('says why it does not take a request, and goes on', async () => {
  const listening = await listen();
  const post = async (body: Uint8Array | string, headers: Record<string, string>, where = '/v1/traces') => {
    const answer = await fetch(`${listening.url}${where}`, { method: 'POST', body: Buffer.from(body), headers });
    return [answer.status, await answer.text()];
  };
  const json = { 'content-type': 'application/json; charset=utf-8' };
  const protobuf = { 'content-type': 'application/x-protobuf' };
  const gzip = { 'content-encoding': 'gzip' };
  expect(await post('{}', json, '/v1/metrics')).toEqual([200, '{}']);
  expect(await post('', protobuf)).toEqual([200, '']);
  expect(await post('{}', json, '/')).toEqual([404, expect.stringContaining('/v1/traces')]);
  expect((await fetch(listening.url)).status).toBe(404);
  expect(await post('{}', { 'content-type': 'text/plain' })).toEqual([
    415,
    expect.stringContaining('OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf'),
  ]);
  expect(await post('{}', { ...json, 'content-encoding': 'br' })).toEqual([415, expect.any(String)]);
  expect(await post('{"resourceSpans":', json)).toEqual([400, expect.stringContaining('no OTLP')]);
  expect(await post('\xff\xff\xff', protobuf)).toEqual([400, expect.stringContaining('no OTLP')]);
  expect(await post(deepProtobuf(20_000), protobuf)).toEqual([400, expect.stringContaining('no OTLP')]);
  expect(await post('no gzip', { ...json, ...gzip })).toEqual([400, expect.any(String)]);
  expect(await post(gzipSync(Buffer.alloc(64 * 1024 * 1024)), { ...json, ...gzip })).toEqual([413, expect.any(String)]);
  await exportSpans(new ProtobufExporter({ url: `${listening.url}/v1/traces` }));
  await listening.explaining.says('charge');
  const second = await cli(['explain', '--listen', listening.url.replace('http://', '')]);
  expect(second).toMatchObject({ code: 2, stdout: '' });
  expect(second.stderr).toMatch(/^error: cannot listen 127\.0\.0\.1 \d+: another program listens there\n/);
  await end(listening);
});

it('takes a file, or a service', async () => {
  for (const args of [[], ['spans.json', '--listen', '0'], ['--listen', '99999'], ['--listen', 'here']]) {
    const run = await cli(['explain', ...args], '');
    expect({ args, code: run.code, stdout: run.stdout }).toEqual({ args, code: 2, stdout: '' });
    expect(run.stderr).toMatch(/^error: /);
  }
});

/** One span with an attribute that is a list in a list in a list …: lengths and all. */
function deepProtobuf(depth: number): Uint8Array {
  let bytes = Buffer.alloc(0);
  // AnyValue.array_value, ArrayValue.values, …; KeyValue.value; Span.attributes; ScopeSpans.spans; ResourceSpans.scope_spans; resource_spans
  const fields = [...Array.from({ length: depth }, (_, index) => (index % 2 === 0 ? 5 : 1)), 2, 9, 2, 2, 1];
  for (const field of fields) bytes = Buffer.concat([Buffer.from([(field << 3) | 2]), varint(bytes.length), bytes]);
  return bytes;
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return Buffer.from([...bytes, rest]);
    bytes.push((rest & 0x7f) | 0x80);
  }
}
