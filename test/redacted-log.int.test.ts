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
import { SHAPE_COUNT, plantedSecrets } from '../packages/audit/test/redaction-support.ts';
import { publishHandle } from '../packages/node/src/handle.ts';
import { NatsConnector } from '../packages/node/src/open-nats.ts';
import { captureLog } from './support/captured-log.ts';
import { type LoggingCalls, fails, namesWithSecrets, said } from './support/planted-log.ts';

const RUN_ID = '0f8fad5b-d9cb-469f-a165-70867728950e';
/** A carrier is judged once. */
const claims = () => ({ 'x-workflow-execution-id': 'ex-1' });
const secrets = plantedSecrets(SHAPE_COUNT);

afterEach(() => {
  diag.disable();
  propagation.disable();
});

/** What the application gives us to call, and does not do what it should. */
const CALLED: LoggingCalls = {
  'trustInbound threw': (planted) => {
    const propagator = new WorkflowPropagator({ trustInbound: fails(planted) });
    propagator.extract(ROOT_CONTEXT, claims());
    propagator.shutdown();
  },
  'workflow headers were not written': (planted) => {
    const propagator = new WorkflowPropagator({ outbound: { allowedHosts: ['good.svc'] } });
    const ctx = extractWorkflow(claims(), undefined, ROOT_CONTEXT);
    const attributes = { 'server.address': 'good.svc', 'url.full': 'http://good.svc/' };
    const tracer = new node.NodeTracerProvider().getTracer('careless');
    const span = tracer.startSpan('call', { kind: SpanKind.CLIENT, attributes }, ctx);
    propagator.inject(trace.setSpan(ctx, span), {}, { set: fails(planted) });
    propagator.shutdown();
  },
  'the trace context of a message could not be read': async (planted) => {
    const broken: TextMapPropagator = { inject: () => {}, extract: fails(planted), fields: () => [] };
    propagation.setGlobalPropagator(broken);
    await receive({}, () => {});
    propagation.disable();
  },
  'who answered a request was not noted': async (planted) => {
    const server = createServer((_, response) => response.setHeader('x-workflow-run-id', RUN_ID).end());
    const unwatch = watchAnsweredRuns(fails(planted));
    await (await fetch(`http://127.0.0.1:${await listen(server)}/`, { headers: claims() })).text();
    unwatch();
    server.close();
  },
  'a span was not stamped': (planted) => {
    const span = { setAttribute: fails(planted) } as unknown as Span;
    new WorkflowSpanProcessor().onStart(span, extractWorkflow(claims(), undefined, ROOT_CONTEXT));
  },
  'the OpenTelemetry SDK did not shut down cleanly': async (planted) => {
    const pipeline = createAuditPipeline({ producer: 'careless', sink: memorySink() });
    const shutdownSdk = async (): Promise<void> => fails(planted)();
    const before = process.listenerCount('exit');
    await publishHandle({ pipeline, journal: undefined, timeoutMs: 10_000, shutdownSdk }).shutdown();
    // That of a process which has no other handle.
    for (const atExit of process.listeners('exit').slice(before)) process.off('exit', atExit);
  },
};

it.each(Object.entries(CALLED))('"%s": what was thrown is in our log without its secrets', async (line, call) => {
  const logged = captureLog();
  for (const planted of secrets) await call(planted);
  expect(said(logged, line, secrets)).toEqual({ redacted: secrets.length, leaked: [] });
});

it('a name that cannot be sent is in our log without its secrets', () => {
  const logged = captureLog();
  const names = namesWithSecrets(10);
  for (const { secret } of names) {
    new WorkflowPropagator({ producer: `é ${secret}`, outbound: { allowedHosts: ['good.svc'] } }).shutdown();
  }
  expect(said(logged, 'is not visible ASCII', names)).toEqual({ redacted: names.length, leaked: [] });
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

function listen(server: Server): Promise<number> {
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port)));
}
