import { createServer } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { ROOT_CONTEXT, SpanKind, diag, propagation, trace } from '@opentelemetry/api';
import type { Span, TextMapPropagator } from '@opentelemetry/api';
import { node } from '@opentelemetry/sdk-node';
import { createAuditPipeline, memorySink } from '@spanledger/audit';
import { WorkflowPropagator, WorkflowSpanProcessor, extractWorkflow, receive } from '@spanledger/otel';
import { watchAnsweredRuns } from '@spanledger/otel/internal';
import { afterEach, expect, it } from 'vitest';
import { type PlantedSecret, SHAPE_COUNT, plantedSecrets } from '../packages/audit/test/redaction-support.ts';
import { publishHandle } from '../packages/node/src/handle.ts';
import { NatsConnector } from '../packages/node/src/open-nats.ts';
import { captureLog, leaked } from './support/captured-log.ts';

const RUN_ID = '0f8fad5b-d9cb-469f-a165-70867728950e';
/** A carrier is judged once. */
const claims = () => ({ 'x-workflow-execution-id': 'ex-1' });
const secrets = plantedSecrets(SHAPE_COUNT);

afterEach(() => {
  diag.disable();
  propagation.disable();
});

/** An error, and what else code throws that is not ours. */
function fails(text: string): () => never {
  const { length } = text;
  return () => {
    if (length % 3 === 0) throw text;
    if (length % 3 === 1) throw { toString: () => text };
    throw new Error(text, { cause: new Error(`because of ${text}`) });
  };
}

/** What the application gives us to call, and does not do what it should. */
const CALLED: Record<string, (fail: () => never) => unknown> = {
  'trustInbound threw': (fail) => {
    const propagator = new WorkflowPropagator({ trustInbound: fail });
    propagator.extract(ROOT_CONTEXT, claims());
    propagator.shutdown();
  },
  'workflow headers were not written': (fail) => {
    const propagator = new WorkflowPropagator({ outbound: { allowedHosts: ['good.svc'] } });
    const ctx = extractWorkflow(claims(), undefined, ROOT_CONTEXT);
    const attributes = { 'server.address': 'good.svc', 'url.full': 'http://good.svc/' };
    const tracer = new node.NodeTracerProvider().getTracer('careless');
    const span = tracer.startSpan('call', { kind: SpanKind.CLIENT, attributes }, ctx);
    propagator.inject(trace.setSpan(ctx, span), {}, { set: fail });
    propagator.shutdown();
  },
  'the trace context of a message could not be read': async (fail) => {
    const broken: TextMapPropagator = { inject: () => {}, extract: fail, fields: () => [] };
    propagation.setGlobalPropagator(broken);
    await receive({}, () => {});
    propagation.disable();
  },
  'who answered a request was not noted': async (fail) => {
    const server = createServer((_, response) => response.setHeader('x-workflow-run-id', RUN_ID).end());
    const unwatch = watchAnsweredRuns(fail);
    await (await fetch(`http://127.0.0.1:${await listen(server)}/`, { headers: claims() })).text();
    unwatch();
    server.close();
  },
  'a span was not stamped': (fail) => {
    const span = { setAttribute: fail } as unknown as Span;
    new WorkflowSpanProcessor().onStart(span, extractWorkflow(claims(), undefined, ROOT_CONTEXT));
  },
  'the OpenTelemetry SDK did not shut down cleanly': async (fail) => {
    const pipeline = createAuditPipeline({ producer: 'careless', sink: memorySink() });
    const shutdownSdk = async (): Promise<void> => fail();
    const before = process.listenerCount('exit');
    await publishHandle({ pipeline, journal: undefined, timeoutMs: 10_000, shutdownSdk }).shutdown();
    // That of a process which has no other handle.
    for (const atExit of process.listeners('exit').slice(before)) process.off('exit', atExit);
  },
};

it.each(Object.entries(CALLED))('"%s": what was thrown is in our log without its secrets', async (line, call) => {
  const logged = captureLog();
  for (const { text } of secrets) await call(fails(text));
  expect(said(logged, line, secrets)).toEqual({ redacted: secrets.length, leaked: [] });
});

it('what a NATS server refuses us with is in our log without its secrets', async () => {
  const logged = captureLog();
  // The protocol has an error in one line.
  const told = secrets.filter(({ text }) => !/[\r\n]/.test(text));
  const refusals = told.map(({ text }) => text);
  const server = createTcpServer((socket) => {
    socket.on('error', () => {});
    socket.write(
      `INFO {"server_id":"x","version":"2.12.0","max_payload":1048576}\r\n-ERR 'Authorization Violation: ${refusals.shift()}'\r\n`,
    );
  });
  const servers = [`127.0.0.1:${await listen(server)}`];
  for (let i = 0; i < told.length; i += 1) {
    const givenUp = new AbortController();
    const opened = new NatsConnector('careless').connect({ servers }, givenUp.signal);
    const lines = logged.length;
    await expect.poll(() => logged.length, { timeout: 20_000 }).toBeGreaterThan(lines);
    givenUp.abort();
    await expect(opened).rejects.toMatchObject({ code: 'SPANLEDGER_SINK' });
  }
  server.close();
  expect(said(logged, 'NATS cannot be reached', told)).toEqual({ redacted: told.length, leaked: [] });
}, 120_000);

/** In how many of our lines something was taken out, and what was not. */
function said(logged: readonly string[], line: string, planted: readonly PlantedSecret[]): object {
  const redacted = logged.filter((one) => one.includes(line) && one.includes('[REDACTED]'));
  return { redacted: redacted.length, leaked: leaked(planted, logged.join('\n')) };
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port)));
}
