import { ROOT_CONTEXT, context, defaultTextMapGetter, metrics } from '@opentelemetry/api';
import type { TextMapGetter } from '@opentelemetry/api';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import { WORKFLOW_FIELDS } from '@spanledger/protocol';
import { headers as natsHeaders } from 'nats';
import { headers as natsCoreHeaders } from '@nats-io/transport-node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WorkflowPropagator } from '../src/index.ts';
import { Run, getWorkflowContext, setWorkflowContext } from '../src/internal.ts';
import { FULL, headersOf, parse } from './support.ts';

const propagator = new WorkflowPropagator();

function extract(carrier: unknown, getter: TextMapGetter<unknown> = defaultTextMapGetter, ctx = ROOT_CONTEXT) {
  const scope = getWorkflowContext(propagator.extract(ctx, carrier, getter));
  if (scope === undefined) throw new Error('no workflow context');
  return scope;
}

describe('identity', () => {
  it('is empty without headers, and the run is a request run all the same', () => {
    const { workflow, run } = extract({ host: 'x', accept: '*/*' });
    expect(workflow).toStrictEqual({});
    expect(run).toMatchObject({ origin: 'carrier', workflowId: undefined, executionId: undefined });
  });

  it('has all fields when all headers are there', () => {
    const { workflow, run } = extract(headersOf(FULL));
    expect(workflow).toStrictEqual(FULL);
    expect(run).toMatchObject({ workflowId: 'deploy-prod', executionId: 'ex-1' });
  });

  it.each(WORKFLOW_FIELDS)('takes $header alone, and derives nothing from it', ({ key, header }) => {
    const value = key === 'attempt' ? 3 : 'only-this';
    for (const name of [header, header.toLowerCase(), header.toUpperCase()]) {
      expect(extract({ [name]: String(value) }).workflow).toStrictEqual({ [key]: value });
    }
  });

  it('reads neither a definition from an execution nor an execution from a definition', () => {
    expect(extract({ 'x-workflow-id': 'a' }).run.executionId).toBeUndefined();
    expect(extract({ 'x-workflow-execution-id': 'a' }).run.workflowId).toBeUndefined();
  });

  it('knows no other spelling of a header', () => {
    expect(parse({ 'x-workflow': 'a', 'x-execution-id': 'a', 'workflow-id': 'a', x_workflow_id: 'a' })).toStrictEqual(
      {},
    );
  });

  it('keeps the correlation id of the caller on the run, apart from identity', () => {
    const { run, workflow } = extract({ 'x-forge-correlation-id': 'c-1' });
    expect(run.callerCorrelationId).toBe('c-1');
    expect(workflow).toStrictEqual({});
  });

  it.each([
    ['nats 2', natsHeaders],
    ['nats.js 3', natsCoreHeaders],
  ])('is read from message headers of %s, in any case, repeated values ignored', (_name, makeHeaders) => {
    const headers = makeHeaders();
    headers.set('X-Workflow-Id', 'wf');
    headers.set('x-workflow-execution-id', 'ex');
    headers.append('X-Workflow-Step-Id', 'one');
    headers.append('X-Workflow-Step-Id', 'two');
    headers.set('X-Workflow-Stage-Id', 'a');
    headers.set('x-workflow-stage-id', 'b');
    expect(parse(headers)).toStrictEqual({ workflowId: 'wf', executionId: 'ex' });
  });

  it('is read from Headers, Map and MCP _meta', () => {
    expect(parse(new Headers(headersOf(FULL)))).toStrictEqual(FULL);
    expect(parse(new Map(Object.entries(headersOf(FULL))))).toStrictEqual(FULL);
    expect(parse({ progressToken: 7, 'X-Workflow-Id': 'wf', 'X-Workflow-Step-Attempt': 4 })).toStrictEqual({
      workflowId: 'wf',
      attempt: 4,
    });
  });

  it('is read through a getter that cannot list', () => {
    const getter = {
      keys: () => [],
      get: (carrier: unknown, name: string) => (carrier as Map<string, string>).get(name),
    };
    expect(extract(new Map([['x-workflow-id', 'wf']]), getter).workflow).toStrictEqual({ workflowId: 'wf' });
  });

  it('does not come from a prototype', () => {
    expect(parse(Object.create({ 'x-workflow-id': 'wf' }))).toStrictEqual({});
    expect(parse(JSON.parse('{"__proto__":{"x-workflow-id":"wf"},"constructor":"x"}'))).toStrictEqual({});
  });
});

describe('run', () => {
  it('is one per carrier object, whoever extracts and however', () => {
    const carrier = headersOf(FULL);
    const first = extract(carrier);
    expect(extract(carrier)).toBe(first);
    expect(getWorkflowContext(new WorkflowPropagator().extract(ROOT_CONTEXT, carrier))).toBe(first);
    expect(extract({ ...carrier }).run.id).not.toBe(first.run.id);
  });

  it('is never that of the context around it, and not the instance run', () => {
    const outer = { run: new Run('workflow', FULL), workflow: FULL };
    const inner = extract({}, defaultTextMapGetter, setWorkflowContext(ROOT_CONTEXT, outer));
    expect(inner.run).not.toBe(outer.run);
    expect(inner).toMatchObject({ workflow: {}, run: { origin: 'carrier' } });
  });
});

describe('hostile carriers', () => {
  it.each(['a, ', ', ', 'a, , ', ', a', 'a, b'])('a repeated header that was joined to "%s" is no value', (joined) => {
    expect(parse({ 'x-workflow-id': joined })).toEqual({});
  });

  const throwing = () => {
    throw new Error('no');
  };

  it.each<[string, unknown]>([
    ['null', null],
    ['undefined', undefined],
    ['a string', 'x-workflow-id: a'],
    ['a number', 7],
    ['a function', () => undefined],
    [
      'a Proxy that throws',
      new Proxy({}, { get: throwing, ownKeys: throwing, has: throwing, getOwnPropertyDescriptor: throwing }),
    ],
    ['a revoked Proxy', revoked()],
    ['an object without a prototype', Object.create(null)],
    ['an array', ['x-workflow-id', 'a']],
  ])('%s gives a run without identity', (_name, carrier) => {
    expect(extract(carrier).workflow).toStrictEqual({});
    expect(parse(carrier)).toStrictEqual({});
  });

  it('a getter that throws, or answers nonsense, costs only what it could not read', () => {
    const carrier = {
      ...headersOf({ workflowId: 'wf' }),
      get 'x-workflow-step-id'(): string {
        return throwing();
      },
    };
    expect(extract(carrier).workflow).toStrictEqual({ workflowId: 'wf' });
    expect(extract({}, { keys: throwing, get: throwing }).workflow).toStrictEqual({});
    const nonsense = { keys: () => [7, null, 'x-workflow-id'], get: () => ({}) } as unknown as TextMapGetter<unknown>;
    expect(extract({}, nonsense).workflow).toStrictEqual({});
  });

  function revoked(): object {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    return proxy;
  }
});

describe('what is ignored', () => {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 1 << 30 });
  let meters: MeterProvider;

  beforeEach(() => {
    meters = new MeterProvider({ readers: [reader] });
    metrics.setGlobalMeterProvider(meters);
  });
  afterEach(async () => {
    metrics.disable();
    context.disable();
    await meters.shutdown();
  });

  it('is counted by reason', async () => {
    extract({
      'x-workflow-id': 'a b',
      'x-workflow-step-id': '',
      'x-workflow-stage-id': ['a', 'b'],
      'x-workflow-step-attempt': '0',
    });
    extract({ 'x-workflow-id': 'a', 'X-Workflow-Id': 'a' });
    extract({
      get 'x-workflow-id'() {
        throw new Error('no');
      },
    });
    const untrusting = new WorkflowPropagator({ trustInbound: false });
    const scope = getWorkflowContext(
      untrusting.extract(ROOT_CONTEXT, { ...headersOf(FULL), 'x-forge-correlation-id': 'c' }),
    );
    untrusting.shutdown();
    expect(scope).toMatchObject({ workflow: {}, run: { callerCorrelationId: undefined } });

    await meters.forceFlush();
    const counts: Record<string, unknown> = {};
    for (const { scopeMetrics } of exporter.getMetrics())
      for (const { metrics: collected } of scopeMetrics)
        for (const { descriptor, dataPoints } of collected) {
          expect(descriptor.name).toBe('spanledger.headers.ignored');
          for (const { attributes, value } of dataPoints) counts[String(attributes['reason'])] = value;
        }
    expect(counts).toStrictEqual({ invalid: 3, repeated: 2, unreadable: 1, untrusted: 7 });
  });
});
