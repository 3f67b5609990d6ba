import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import { Readable } from 'node:stream';
import type { AuditEvent } from '@spanledger/protocol';
import { expect, onTestFinished } from 'vitest';
import { EventStream } from './event-stream.ts';
import { Http2Client } from './http2-client.ts';
import type { FetchInit } from './http2-client.ts';
import { RawStream } from './raw-stream.ts';
import type { RawAnswer } from './raw-stream.ts';

/** What the suite needs of an event bus. */
export interface SuiteBus {
  publish(event: Partial<AuditEvent> & { readonly event: string }): unknown;
  /** Whether anybody listens. */
  wants(event: string): boolean;
  close(): void;
}

/** A server with the events of tasks at `/events/:taskId`. */
interface TaskEventsServer {
  /** `http://host:port` */
  readonly url: string;
  /** Ends its responses, without the bus. */
  closeEvents(): void;
  /** Breaks all connections off. */
  cut(): void;
  close(): Promise<unknown>;
}

export interface TaskEventsHarness<Bus extends SuiteBus> {
  /** What the server speaks, and so its clients. Default 1. */
  readonly httpVersion?: 1 | 2;
  newBus(): Bus;
  start(options: { readonly bus: Bus } & SuiteOptions): Promise<TaskEventsServer>;
}

export interface SuiteOptions {
  readonly eventsMax?: number;
  readonly clientsMax?: number;
  readonly graceMs?: number;
  readonly heartbeatMs?: number;
  readonly retryMs?: number;
}

const NAMES = ['tool_exec', 'llm_call', 'request.text_chunk', 'workflow_complete'];
export const LONG = { timeout: 120_000, interval: 5 };

/** A bus, a server, and one task of its own. */
export async function begin<Bus extends SuiteBus>(harness: TaskEventsHarness<Bus>, options: SuiteOptions = {}) {
  const http2 = harness.httpVersion === 2 ? new Http2Client() : undefined;
  const bus = harness.newBus();
  const server = await harness.start({ bus, ...options });
  onTestFinished(async () => {
    bus.close();
    http2?.close();
    server.cut();
    await server.close();
  });
  const taskId = randomUUID();
  const url = `${server.url}/events/${taskId}`;
  const run_id = randomUUID();
  let seq = 0;
  const ask = http2?.fetch ?? fetchOnce;
  const open = (headers?: Record<string, string>, version?: string, query = ''): RawAnswer => {
    const stream = http2?.raw(url + query, headers) ?? new RawStream(url + query, headers, version);
    onTestFinished(() => void stream.socket.destroy());
    return stream;
  };
  return {
    bus,
    server,
    taskId,
    url,
    run_id,
    /** One numbered event of the task. */
    publish: (event = 'tool_exec', rest: object = {}) =>
      bus.publish({ event, task_id: taskId, run_id, seq: (seq += 1), ...rest }),
    /** `fetch`, over the version of the server. */
    ask,
    /** A request for events that is answered with an error. @returns its message. */
    refusal: async (
      status: number,
      code: string,
      from = url,
      headers: Record<string, string> = {},
    ): Promise<string> => {
      const response = await ask(from, { headers });
      expect(response.status).toBe(status);
      expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8');
      expect(response.headers.get('cache-control')).toBe('no-store');
      expect(response.headers.get('retry-after')).toBe(status === 503 ? '5' : null);
      const { message, ...rest } = (await response.json()) as { readonly message: string };
      expect(rest).toEqual({ statusCode: status, code, error: expect.any(String) });
      return message;
    },
    listen: async (query = ''): Promise<EventStream> => {
      const stream = new EventStream(url + query, NAMES, http2?.fetch);
      onTestFinished(() => stream.close());
      await expect.poll(() => stream.isOpen, LONG).toBe(true);
      return stream;
    },
    /** A request whose answer is not waited for. */
    open,
    raw: async (headers?: Record<string, string>, version?: string, query = ''): Promise<RawAnswer> => {
      const stream = open(headers, version, query);
      await expect.poll(() => stream.text, LONG).toContain('\r\n\r\n');
      return stream;
    },
  };
}

/** On a connection of its own: one that is kept, also by another client of the process, may just be closing. */
async function fetchOnce(url: string | URL, { method = 'GET', headers = {} }: FetchInit = {}): Promise<Response> {
  const request = http.request(url, { method, headers, agent: false }).end();
  const [answer] = (await once(request, 'response')) as [http.IncomingMessage];
  const status = answer.statusCode!;
  const body = method === 'HEAD' || status === 204 ? null : (Readable.toWeb(answer) as ReadableStream);
  return new Response(body, { status, headers: answer.headers as Record<string, string> });
}

/** What a page has heard, by number. */
export function numbersOf(stream: EventStream): unknown[] {
  return stream.heard.map(({ data }) => data['seq'] ?? 'lagged');
}
