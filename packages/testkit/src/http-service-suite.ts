import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { text } from 'node:stream/consumers';
import { isTerminalEvent } from '@spanledger/protocol';
import type { AuditEvent } from '@spanledger/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HttpService } from './http-service.ts';
import type { HttpServiceOptions } from './http-service.ts';

/** A service under test, and who takes part in its requests. */
export interface HttpServiceCase extends HttpServiceOptions {
  /** Our middleware or plugin is registered: it answers with the run id, and sees a client that goes away. */
  readonly middleware: boolean;
  /** Something makes SERVER spans. Designated as `http_served`, they must be in the run of their request. */
  readonly entrySpan: boolean;
  /** The SERVER span is the emitter and ends before the response is sent: what happens then, nobody can tell. */
  readonly entrySpanEndsEarly?: boolean;
}

const WORKFLOW_KEYS = [
  'workflow_id',
  'workflow_execution_id',
  'stage_id',
  'step_id',
  'attempt_epoch',
  'invocation_caller',
];

/**
 * "One request is one run", as tests against a real server in a process of its own. Call it at the top level of a test file.
 *
 * The service marks what happens in a request with spans designated as `work`, whose `fields.mark` is the query's
 * `mark`, and whose `fields.at` says where: `handler` everywhere, and what the routes below name. `/step` does its work in the
 * phases `left` and `right`, which run side by side and call `/work` of the same service.
 */
export function testHttpService(name: string, options: HttpServiceCase): void {
  describe(`one request is one run: ${name}`, () => {
    let service: HttpService;
    beforeAll(async () => void (service = await HttpService.start(options)));
    afterAll(() => service?.dispose());

    /** Sends one request and waits for its run to end. */
    async function call(path: string, request: Request = {}) {
      const mark = randomUUID();
      const response = await send(service.port, `${path}?mark=${mark}`, request);
      return { ...response, mark, run: await service.endedRun(mark) };
    }

    it('carries every workflow value, to every event of the request', async () => {
      const { run, headers } = await call('/work', { headers: WORKFLOW_HEADERS });
      expect(run.map(({ event }) => event)).toEqual(eventsOf(options, ['work', 'work']));
      expect(placesIn(run)).toEqual(['handler', 'later']);
      for (const event of run) expect(event).toMatchObject(WORKFLOW_VALUES);
      for (const { event, trace_id } of run) if (event === 'work') expect(trace_id).toBe(TRACE_ID);
      expect(headers['x-workflow-run-id']).toBe(options.middleware ? run[0]?.run_id : undefined);
    });

    it('gives a request without headers a run of its own, without a workflow key', async () => {
      const { run, headers } = await call('/work');
      expect(run.map(({ event }) => event)).toEqual(eventsOf(options, ['work', 'work']));
      for (const event of run)
        expect(Object.keys(event)).not.toEqual(expect.arrayContaining([expect.toBeOneOf(WORKFLOW_KEYS)]));
      expect(headers['x-workflow-run-id']).toBeUndefined();
    });

    it('keeps concurrent requests of one execution apart', async () => {
      const calls = await Promise.all(Array.from({ length: 40 }, () => call('/work', { headers: WORKFLOW_HEADERS })));
      expect(new Set(calls.map(({ run }) => run[0]?.run_id)).size).toBe(40);
      for (const { run } of calls) expect(placesIn(run)).toEqual(['handler', 'later']);
    });

    it('keeps requests on one connection apart', async () => {
      const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
      const runs = new Set<string | undefined>();
      for (const headers of [WORKFLOW_HEADERS, {}, WORKFLOW_HEADERS]) {
        const { run } = await call('/work', { headers, agent });
        runs.add(run[0]?.run_id);
        expect(run[0]?.workflow_id).toBe('X-Workflow-Id' in headers ? WORKFLOW_VALUES.workflow_id : undefined);
      }
      agent.destroy();
      expect(runs.size).toBe(3);
    });

    it('keeps pipelined requests apart', async () => {
      const marks = [randomUUID(), randomUUID(), randomUUID()];
      const socket = net.connect(service.port, '127.0.0.1');
      socket.write(
        marks
          .map((mark, n) => `GET /work?mark=${mark} HTTP/1.1\r\nHost: x\r\nX-Workflow-Step-Id: s${n}\r\n\r\n`)
          .join(''),
      );
      const runs = await Promise.all(marks.map((mark) => service.endedRun(mark)));
      socket.destroy();
      expect(runs.map((run) => run[0]?.step_id)).toEqual(['s0', 's1', 's2']);
      for (const run of runs) expect(placesIn(run)).toEqual(['handler', 'later']);
    });

    it('stamps what happens in a step with it, in phases and in agents called from there, and mixes no two', async () => {
      const executionId = randomUUID();
      const steps = [1, 2, 3, 4].map(async (attempt) => {
        const step = `step-${attempt}`;
        const headers = stepHeaders(executionId, step, attempt);
        const { mark, run } = await call('/step', { headers });
        expect(run.map(stamped).sort()).toEqual(stepEvents(options, step, attempt).sort());
        // Without the propagator nothing is sent.
        if (options.env?.['PROPAGATOR'] === 'none') return;
        for (const phase of ['left', 'right']) {
          const called = await service.endedRun(`${mark}-${phase}`);
          const names = eventsOf(options, ['work', 'work']);
          expect(called.map(stamped)).toEqual(names.map((event) => `${event} ${step}/${phase} ${attempt}`));
          for (const event of called) expect(event).toMatchObject({ workflow_execution_id: executionId });
        }
      });
      await Promise.all(steps);
    });

    it('is there after a parsed body', async () => {
      const { run, body } = await call('/json', {
        method: 'POST',
        json: { text: 'x'.repeat(90_000) },
        headers: WORKFLOW_HEADERS,
      });
      expect(body).toBe('90000');
      expect(placesIn(run)).toEqual(['handler']);
    });

    it('is there in streams', async () => {
      const { run, body } = await call('/stream', {
        method: 'POST',
        json: 'x'.repeat(9_000),
        headers: WORKFLOW_HEADERS,
      });
      expect(body).toBe('streamed');
      expect(placesIn(run)).toEqual(['handler', 'request-end', 'response-read']);
    });

    it('is there when the response has been sent', async () => {
      const { run } = await call('/finish', { headers: WORKFLOW_HEADERS });
      expect(placesIn(run)).toEqual(['handler', 'finish']);
    });

    it.each(['/throw', '/reject'])('is there in the error handler, and ends with an error (%s)', async (path) => {
      const { run, status } = await call(path, { headers: WORKFLOW_HEADERS });
      expect(status).toBe(500);
      expect(placesIn(run)).toEqual(['handler', 'error-handler']);
      expect(terminalOf(run)).toMatchObject({ event: 'invocation_complete', fields: { status: 'error' } });
    });

    it('does not call a refusal an error', async () => {
      const { run, status } = await call('/refuse', { headers: WORKFLOW_HEADERS });
      expect(status).toBe(422);
      expect(terminalOf(run).event).toBe('invocation_complete');
      expect(terminalOf(run).fields?.['status']).toBeUndefined();
    });

    it.each(['end', 'reset'] as const)('tells a client that went away (%s)', async (how) => {
      const mark = randomUUID();
      await abandon(service, `/hang?mark=${mark}`, how, () => service.runSoFar(mark));
      const run = await service.endedRun(mark);
      expect(placesIn(run)).toContain('handler');
      // HTTP instrumentation alone cannot tell it from a success.
      expect(terminalOf(run).event).toBe(options.middleware ? 'invocation_cancelled' : 'invocation_complete');
    });

    // HTTP instrumentation never ends the span of such a request: with it, the run stays open.
    it.runIf(options.middleware && !options.entrySpan)('ends pipelined requests that were never answered', async () => {
      const marks = [randomUUID(), randomUUID()];
      const socket = net.connect(service.port, '127.0.0.1');
      socket.write(marks.map((mark) => `GET /hang?mark=${mark} HTTP/1.1\r\nHost: x\r\n\r\n`).join(''));
      await expect.poll(() => service.runSoFar(marks[1] ?? ''), { timeout: 120_000, interval: 20 }).not.toHaveLength(0);
      socket.destroy();
      for (const mark of marks) expect(terminalOf(await service.endedRun(mark)).event).toBe('invocation_cancelled');
    });

    it('calls a connection that the service broke an error', async () => {
      const mark = randomUUID();
      await expect(send(service.port, `/break?mark=${mark}`, {})).rejects.toThrow(/aborted|hang up/);
      const terminal = terminalOf(await service.endedRun(mark));
      expect(terminal.event).toBe('invocation_complete');
      if (options.middleware && !options.entrySpanEndsEarly) expect(terminal.fields).toMatchObject({ status: 'error' });
    });

    it('does not throw where the headers are already sent', async () => {
      const { status, body } = await send(service.port, '/sent-before', { headers: WORKFLOW_HEADERS });
      expect({ status, body }).toEqual({ status: 200, body: 'sent' });
    });

    it('has left a ledger in which every run begins once, ends once and is unbroken', async () => {
      await service.stop();
      const runs = service.verify();
      expect(runs.length).toBeGreaterThan(50);
      for (const { names } of runs) {
        expect(names.filter((event) => event === 'invocation_started')).toEqual([names[0]]);
        expect(names.filter(isTerminalEvent)).toHaveLength(1);
      }
      expect(service.stderr).toBe('');
    });
  });
}

const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';

const WORKFLOW_HEADERS = {
  traceparent: `00-${TRACE_ID}-b7ad6b7169203331-01`,
  'X-Workflow-Id': 'deploy-prod',
  'X-Workflow-Execution-Id': 'exec-7',
  'X-Workflow-Stage-Id': 'rollout',
  'X-Workflow-Step-Id': 'apply',
  'X-Workflow-Step-Attempt': '2',
  'X-Invocation-Caller': 'orchestrator',
};

const WORKFLOW_VALUES = {
  workflow_id: 'deploy-prod',
  workflow_execution_id: 'exec-7',
  stage_id: 'rollout',
  step_id: 'apply',
  attempt_epoch: 2,
  invocation_caller: 'orchestrator',
};

interface Request {
  readonly method?: 'GET' | 'POST';
  readonly headers?: http.OutgoingHttpHeaders;
  readonly json?: unknown;
  readonly agent?: http.Agent;
}

async function send(port: number, path: string, { method = 'GET', headers, json, agent }: Request) {
  const body = json === undefined ? undefined : JSON.stringify(json);
  const request = http.request({
    port,
    path,
    method,
    agent: agent ?? false,
    headers: { ...headers, ...(body !== undefined && { 'content-type': 'application/json' }) },
  });
  request.end(body);
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  return { status: response.statusCode, headers: response.headers, body: await text(response) };
}

/** Opens a request, waits until the service works on it, and hangs up: with a FIN or with a RST. */
async function abandon(service: HttpService, path: string, how: 'end' | 'reset', probe: () => Promise<AuditEvent[]>) {
  const socket = net.connect(service.port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
  await expect.poll(probe, { timeout: 120_000, interval: 20 }).not.toHaveLength(0);
  if (how === 'end') socket.destroy();
  else socket.resetAndDestroy();
}

function eventsOf({ entrySpan }: HttpServiceCase, inner: readonly string[]): string[] {
  return ['invocation_started', ...inner, ...(entrySpan ? ['http_served'] : []), 'invocation_complete'];
}

const stamped = ({ event, step_id, attempt_epoch }: AuditEvent): string => `${event} ${step_id} ${attempt_epoch}`;

function stepHeaders(executionId: string, step: string, attempt: number): http.OutgoingHttpHeaders {
  return {
    ...WORKFLOW_HEADERS,
    'X-Workflow-Execution-Id': executionId,
    'X-Workflow-Step-Id': step,
    'X-Workflow-Step-Attempt': String(attempt),
  };
}

/** What `/step` leaves in its run, in any order: the step's own, and that of its two phases. */
function stepEvents(options: HttpServiceCase, step: string, attempt: number): string[] {
  const own = eventsOf(options, ['work', 'noted']).map((event) => `${event} ${step} ${attempt}`);
  const inPhase = ['workflow_step_started', 'llm_call', 'tool_exec', 'charged_started', 'charged', 'noted'];
  const events = [...(attempt > 1 ? ['stream_rewind'] : []), ...inPhase, 'workflow_step_completed'];
  const ofPhases = ['left', 'right'].flatMap((phase) => events.map((event) => `${event} ${step}/${phase} ${attempt}`));
  return [...own, ...ofPhases];
}

function terminalOf(run: readonly AuditEvent[]): AuditEvent {
  return run.find(({ event }) => isTerminalEvent(event)) as AuditEvent;
}

function placesIn(run: readonly AuditEvent[]): unknown[] {
  return run.filter(({ event }) => event === 'work').map(({ fields }) => fields?.['at']);
}
