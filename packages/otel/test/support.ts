import { createServer } from 'node:http';
import type { IncomingHttpHeaders, RequestListener, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { context, propagation, trace } from '@opentelemetry/api';
import type { TextMapPropagator } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { CompositePropagator, W3CTraceContextPropagator } from '@opentelemetry/core';
import { AlwaysOnSampler, InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import type { IdGenerator, Sampler, SpanProcessor } from '@opentelemetry/sdk-trace';
import type { WorkflowIdentity } from '@spanledger/protocol';
import { WORKFLOW_FIELDS } from '@spanledger/protocol';
import { WorkflowSampler, WorkflowSpanProcessor } from '../src/index.ts';
import { workflowOfCarrier } from '../src/inbound.ts';
import { carrierGetter } from '../src/carriers.ts';

export const FULL = {
  workflowId: 'deploy-prod',
  executionId: 'ex-1',
  stageId: 'rollout',
  stepId: 'plan',
  attempt: 2,
  caller: 'orchestrator',
} as const satisfies WorkflowIdentity;

/** As Node gives them: lower case. */
export function headersOf(identity: WorkflowIdentity): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const { key, header } of WORKFLOW_FIELDS) {
    const value = identity[key];
    if (value !== undefined) headers[header.toLowerCase()] = String(value);
  }
  return headers;
}

/** The workflow headers among others, in lower case. */
export function workflowHeaders(headers: IncomingHttpHeaders): Record<string, unknown> {
  const names = new Set(WORKFLOW_FIELDS.map(({ header }) => header.toLowerCase()));
  return Object.fromEntries(Object.entries(headers).filter(([name]) => names.has(name)));
}

export function parse(carrier: unknown): WorkflowIdentity {
  return workflowOfCarrier(carrier, carrierGetter, true).workflow;
}

interface Tracing {
  readonly exporter: InMemorySpanExporter;
  readonly provider: TracerProvider;
}

interface TracingOptions {
  readonly propagator?: TextMapPropagator;
  readonly sampler?: Sampler;
  readonly processors?: SpanProcessor[];
  readonly idGenerator?: IdGenerator;
}

/** The real SDK, with our parts in it as a user adds them by hand, registered globally. */
export function registerTracing(options: TracingOptions = {}): Tracing {
  const exporter = new InMemorySpanExporter();
  const provider = new TracerProvider({
    sampler: options.sampler ?? new WorkflowSampler(new AlwaysOnSampler()),
    spanProcessors: options.processors ?? [new WorkflowSpanProcessor(), new SimpleSpanProcessor({ exporter })],
    ...(options.idGenerator && { idGenerator: options.idGenerator }),
  });
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  trace.setGlobalTracerProvider(provider);
  const w3c = new W3CTraceContextPropagator();
  propagation.setGlobalPropagator(
    new CompositePropagator({ propagators: options.propagator ? [w3c, options.propagator] : [w3c] }),
  );
  return { exporter, provider };
}

export function unregisterTracing(): void {
  trace.disable();
  propagation.disable();
  context.disable();
}

export interface TestServer {
  readonly port: number;
  /** What arrived, in order. */
  readonly seen: { url: string; method: string; headers: IncomingHttpHeaders; body: string }[];
  close(): Promise<void>;
}

/** A real server on a free port of all local addresses, so that `127.0.0.1` and `localhost` are two hosts of it. */
export async function serve(
  listener: RequestListener = (_request, response) => response.end('ok'),
): Promise<TestServer> {
  const seen: TestServer['seen'] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { url = '', method = '', headers } = request;
      seen.push({ url, method, headers, body: Buffer.concat(chunks).toString() });
      listener(request, response);
    });
  });
  await listen(server);
  return {
    port: (server.address() as AddressInfo).port,
    seen,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export function listen(server: Server): Promise<void> {
  return new Promise((resolve) => server.listen(0, resolve));
}
