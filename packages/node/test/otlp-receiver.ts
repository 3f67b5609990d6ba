import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

interface OtlpSpan {
  readonly name: string;
  readonly traceId: string;
  readonly attributes: readonly { readonly key: string; readonly value: unknown }[];
}

/** A collector: a real HTTP server that keeps what is posted to it. Ends with the test. */
export interface OtlpReceiver {
  /** For OTEL_EXPORTER_OTLP_ENDPOINT. */
  readonly url: string;
  /** Spans that came as OTLP/JSON. */
  readonly spans: OtlpSpan[];
  /** Paths of all requests, in order. */
  readonly paths: string[];
}

export async function startOtlpReceiver(): Promise<OtlpReceiver> {
  const spans: OtlpSpan[] = [];
  const paths: string[] = [];
  const server = createServer(async (request, response) => {
    const chunks = await request.toArray();
    paths.push(request.url ?? '');
    if (request.headers['content-type'] === 'application/json' && request.url === '/v1/traces') {
      spans.push(...spansOf(JSON.parse(Buffer.concat(chunks).toString())));
    }
    response.setHeader('Content-Type', 'application/json').end('{}');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, spans, paths };
}

function spansOf(body: { resourceSpans: { scopeSpans: { spans: OtlpSpan[] }[] }[] }): OtlpSpan[] {
  return body.resourceSpans.flatMap(({ scopeSpans }) => scopeSpans).flatMap(({ spans }) => spans);
}
