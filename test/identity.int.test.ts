import { WORKFLOW_FIELDS } from '@spanledger/protocol';
import type { AuditEvent } from '@spanledger/protocol';
import { type NatsServer, startNats } from '@spanledger/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { App } from './support/app.ts';
import { endedRuns, readLedger } from './support/ledger.ts';
import { type ExportedSpan, OtlpReceiver } from './support/otlp-receiver.ts';
import { waitFor } from './support/wait-for.ts';

const SENT = {
  'X-Workflow-Id': 'deploy-prod',
  'X-Workflow-Execution-Id': 'exec-identity',
  'X-Workflow-Stage-Id': 'rollout',
  'X-Workflow-Step-Id': 'apply',
  'X-Workflow-Step-Attempt': '7',
  'X-Invocation-Caller': 'some-orchestrator',
} as const;
type Header = keyof typeof SENT;

const FIELDS = WORKFLOW_FIELDS.map(({ field }) => field as string);
const ATTRIBUTES = WORKFLOW_FIELDS.map(({ attribute }) => attribute as string);
const HEADERS = WORKFLOW_FIELDS.map(({ header }) => header.toLowerCase());

let nats: NatsServer;
let collector: OtlpReceiver;
let front: App;
let back: App;

beforeAll(async () => {
  [nats, collector] = await Promise.all([startNats(), OtlpReceiver.start()]);
  const env = { ...collector.env, SPANLEDGER_NATS_URL: nats.url };
  [front, back] = await Promise.all([
    App.serve('agent.mjs', { env: { ...env, OTEL_SERVICE_NAME: 'front', SPANLEDGER_ALLOWED_HOSTS: '127.0.0.1' } }),
    App.serve('agent.mjs', { env: { ...env, OTEL_SERVICE_NAME: 'back' } }),
  ]);
});
afterAll(async () => {
  await Promise.all([front?.[Symbol.asyncDispose](), back?.[Symbol.asyncDispose]()]);
  await Promise.all([nats?.close(), collector?.[Symbol.asyncDispose]()]);
});

describe.sequential('workflow identity', () => {
  it('is nowhere when no header was sent', async () => {
    const { frontRun, backRun, spans, runId, relayed } = await call({});
    for (const event of [...frontRun, ...backRun]) expect(identityOf(event, FIELDS)).toEqual({});
    for (const { attributes } of spans) expect(identityOf(attributes, ATTRIBUTES)).toEqual({});
    expect(runId).toBeNull();
    expect(identityOf(relayed, HEADERS)).toEqual({});
  });

  it('is everywhere when all headers were sent', async () => {
    const { frontRun, backRun, spans, runId, relayed } = await call(SENT);
    expect(frontRun.map(({ event }) => event)).toEqual([
      'invocation_started',
      'work',
      'http_request',
      'invocation_complete',
    ]);
    for (const event of frontRun) expect(identityOf(event, FIELDS)).toEqual(identity('field', SENT));
    expect(identityOf(relayed, HEADERS)).toEqual(identity('header', { ...SENT, 'X-Invocation-Caller': 'front' }));
    for (const event of backRun) {
      expect(identityOf(event, FIELDS)).toEqual(identity('field', { ...SENT, 'X-Invocation-Caller': 'front' }));
    }
    // Server, middleware, handler, hand-made and client spans, of both services.
    expect(new Set(spans.map(({ kind }) => kind))).toEqual(new Set([1, 2, 3]));
    for (const { attributes } of spans) {
      const isBack = attributes['forge.run.id'] === backRun[0]!.run_id;
      const expected = { ...SENT, 'X-Invocation-Caller': isBack ? 'front' : SENT['X-Invocation-Caller'] };
      expect(identityOf(attributes, ATTRIBUTES)).toEqual(identity('attribute', expected));
      expect(attributes['forge.run.id']).toBe(isBack ? backRun[0]!.run_id : frontRun[0]!.run_id);
    }
    expect(runId).toBe(frontRun[0]!.run_id);
  });

  // Definition and execution too: neither is ever made of the other.
  it.each(Object.keys(SENT) as Header[])('is %s alone when only that was sent', async (header) => {
    const only = { [header]: SENT[header] };
    const { frontRun, backRun, spans, runId, relayed } = await call(only);
    // A caller's name alone is of no workflow: there is nothing to send on, and no run to answer with.
    const inWorkflow = header !== 'X-Invocation-Caller';
    const sentOn = inWorkflow ? { ...only, 'X-Invocation-Caller': 'front' } : {};
    for (const event of frontRun) expect(identityOf(event, FIELDS)).toEqual(identity('field', only));
    for (const event of backRun) expect(identityOf(event, FIELDS)).toEqual(identity('field', sentOn));
    for (const { attributes } of spans) {
      const isBack = attributes['forge.run.id'] === backRun[0]!.run_id;
      expect(identityOf(attributes, ATTRIBUTES)).toEqual(identity('attribute', isBack ? sentOn : only));
    }
    expect(identityOf(relayed, HEADERS)).toEqual(identity('header', sentOn));
    expect(runId).toBe(inWorkflow ? frontRun[0]!.run_id : null);
  });

  it('verifies, in the reading of both readers', async () => {
    const codes = await Promise.all([front.stop(), back.stop()]);
    expect(codes).toEqual([143, 143]);
    const { report, runs } = await readLedger(nats.url);
    expect(report.openRuns).toBe(0);
    expect(runs).toHaveLength(2 * (2 + WORKFLOW_FIELDS.length));
    expect(front.stderr + back.stderr).toBe('');
  });
});

let calls = 0;

/** One request to `front`, which calls `back`: both runs, all spans of the trace, and what was sent on. */
async function call(headers: Partial<Record<Header, string>>) {
  const mark = `m${(calls += 1)}`;
  const traceId = calls.toString(16).padStart(32, 'a');
  const to = `${back.url}/work?mark=${mark}-back`;
  const answer = await front.get<Record<string, string>>(`/relay?mark=${mark}&to=${encodeURIComponent(to)}`, {
    ...headers,
    traceparent: `00-${traceId}-00f067aa0ba902b7-01`,
  });
  expect(answer.status).toBe(200);
  const [frontRun = [], backRun = []] = await endedRuns(nats.url, [mark, `${mark}-back`]);
  const spans = await waitFor(
    () => `the spans of ${traceId}: ${collector.spans.map(({ name }) => name).join()}`,
    () => completeTrace(collector.spans.filter((span) => span.traceId === traceId)),
  );
  return { frontRun, backRun, spans, runId: answer.headers.get('x-workflow-run-id'), relayed: answer.body };
}

/** Two server spans with `work` and `detail` each, and the client span between them. */
function completeTrace(spans: ExportedSpan[]): ExportedSpan[] | undefined {
  const count = (test: (span: ExportedSpan) => boolean): number => spans.filter(test).length;
  const complete = count(({ kind }) => kind === 2) === 2 && count(({ kind }) => kind === 3) === 1;
  return complete && count(({ name }) => name === 'work' || name === 'detail') === 4 ? spans : undefined;
}

function identityOf(values: AuditEvent | Readonly<Record<string, unknown>>, keys: readonly string[]) {
  return Object.fromEntries(Object.entries(values).filter(([key]) => keys.includes(key)));
}

/** Headers as events, spans or the next service should have them. */
function identity(as: 'field' | 'attribute' | 'header', headers: Partial<Record<Header, string>>) {
  return Object.fromEntries(
    WORKFLOW_FIELDS.filter(({ header }) => headers[header] !== undefined).map(({ key, header, [as]: name }) => {
      const text = headers[header];
      return as === 'header' ? [name.toLowerCase(), text] : [name, key === 'attempt' ? Number(text) : text];
    }),
  );
}
