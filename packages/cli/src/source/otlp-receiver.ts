import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { createGunzip } from 'node:zlib';
import { readOtlpProtobuf } from './otlp-protobuf.ts';
import { readOtlpSpans, spansOfDocument } from './otlp-spans.ts';
import type { OtlpSpan } from './otlp-spans.ts';

/** Where it listens. */
export interface ListenAddress {
  readonly host: string;
  /** 0: a free one. */
  readonly port: number;
}

/** I7: of one request, unpacked; exporters send some hundred kilobytes. */
const BODY_MAX = 16 * 1024 * 1024;
const CONNECTIONS_MAX = 16;
const JSON_TYPE = 'application/json';
const PROTOBUF_TYPE = 'application/x-protobuf';
/** Exporters that send everything to one address are not to fail for what is of no interest here. */
const PASSED_OVER = new Set(['/v1/metrics', '/v1/logs']);

/** Why a request is not taken, for its exporter's log. */
class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/**
 * Takes traces as OpenTelemetry exporters send them: OTLP over HTTP, JSON or protobuf, gzip or not, on `/v1/traces`. Batches are handed
 * on one after the other, and answered when they have been dealt with, so that a slow reader slows the exporter and fills no memory.
 *
 * @returns once it listens; its address is in `url`.
 * @throws the errors of `listen`, such as EADDRINUSE.
 */
export async function receiveOtlp(
  { host, port }: ListenAddress,
  take: (spans: readonly OtlpSpan[]) => Promise<void>,
): Promise<{ readonly url: string; close(): Promise<void> }> {
  let last = Promise.resolve();
  const server = createServer((request, response) => {
    void answer(request, response, (spans) => (last = last.then(() => take(spans))));
  });
  server.maxConnections = CONNECTIONS_MAX;
  server.listen(port, host);
  await once(server, 'listening');
  return { url: urlOf(server), close: () => close(server) };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  take: (spans: readonly OtlpSpan[]) => Promise<void>,
): Promise<void> {
  try {
    const type = typeOf(request);
    if (!PASSED_OVER.has(pathOf(request))) await take(toSpans(await readBody(request), type));
    response.writeHead(200, { 'content-type': type }).end(type === JSON_TYPE ? '{}' : '');
  } catch (error) {
    const status = error instanceof Refusal ? error.status : 400;
    // What is left of the body is not read.
    const headers = { 'content-type': 'text/plain; charset=utf-8', connection: 'close' };
    response.writeHead(status, headers).end(error instanceof Refusal ? error.message : 'this request cannot be read');
  }
}

function typeOf(request: IncomingMessage): string {
  if (request.method !== 'POST' || !/^\/v1\/(traces|metrics|logs)$/.test(pathOf(request))) {
    throw new Refusal(404, 'traces are taken by POST on /v1/traces');
  }
  const type = (request.headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase();
  if (type === JSON_TYPE || type === PROTOBUF_TYPE) return type;
  throw new Refusal(415, `${JSON_TYPE} and ${PROTOBUF_TYPE} are taken: OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf`);
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const encoding = request.headers['content-encoding'] ?? 'identity';
  if (encoding !== 'gzip' && encoding !== 'identity') throw new Refusal(415, 'only gzip is unpacked');
  const unpacked = encoding === 'gzip' ? request.pipe(createGunzip()) : request;
  // A broken connection ends the unpacking too.
  request.on('error', (error) => unpacked.destroy(error));
  return buffer(bounded(unpacked));
}

async function* bounded(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, void> {
  let size = 0;
  for await (const chunk of chunks) {
    size += chunk.length;
    if (size > BODY_MAX) throw new Refusal(413, `a request may have up to ${BODY_MAX} bytes`);
    yield chunk;
  }
}

function toSpans(body: Buffer, type: string): OtlpSpan[] {
  if (type === JSON_TYPE) {
    const spans = readOtlpSpans(body.toString('utf8'));
    if (spans !== undefined) return spans;
  } else {
    const document = readOtlpProtobuf(body);
    if (document !== undefined) return spansOfDocument({ ...document });
  }
  throw new Refusal(400, `this is no OTLP in ${type}`);
}

function pathOf({ url = '' }: IncomingMessage): string {
  return url.split('?')[0]!;
}

function urlOf(server: Server): string {
  const { address, family, port } = server.address() as AddressInfo;
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}

async function close(server: Server): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  // Exporters keep theirs open.
  server.closeAllConnections();
  await closed;
}
