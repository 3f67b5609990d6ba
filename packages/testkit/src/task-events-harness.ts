import { randomUUID } from 'node:crypto';
import http from 'node:http';
import { text } from 'node:stream/consumers';
import type { AuditEvent } from '@spanledger/protocol';
import { expect, onTestFinished } from 'vitest';
import { EventStream } from './event-stream.ts';
import { RawStream } from './raw-stream.ts';

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
  const bus = harness.newBus();
  const server = await harness.start({ bus, ...options });
  onTestFinished(async () => {
    bus.close();
    server.cut();
    await server.close();
  });
  const taskId = randomUUID();
  const url = `${server.url}/events/${taskId}`;
  const run_id = randomUUID();
  let seq = 0;
  return {
    bus,
    server,
    taskId,
    url,
    run_id,
    /** One numbered event of the task. */
    publish: (event = 'tool_exec', rest: object = {}) =>
      bus.publish({ event, task_id: taskId, run_id, seq: (seq += 1), ...rest }),
    listen: async (query = ''): Promise<EventStream> => {
      const stream = new EventStream(url + query, NAMES);
      onTestFinished(() => stream.close());
      await expect.poll(() => stream.isOpen, LONG).toBe(true);
      return stream;
    },
    raw: async (headers?: Record<string, string>, version?: string, query = ''): Promise<RawStream> => {
      const stream = new RawStream(url + query, headers, version);
      onTestFinished(() => void stream.socket.destroy());
      await expect.poll(() => stream.text, LONG).toContain('\r\n\r\n');
      return stream;
    },
  };
}

/** What a page has heard, by number. */
export function numbersOf(stream: EventStream): unknown[] {
  return stream.heard.map(({ data }) => data['seq'] ?? 'lagged');
}

export async function expectRefusal(
  url: string,
  headers: Record<string, string>,
  status: number,
  code: string,
): Promise<void> {
  // On a connection of its own: one that is kept may just be closing.
  const request = http.get(url, { headers, agent: false });
  const response = await new Promise<http.IncomingMessage>((resolve, reject) =>
    request.once('response', resolve).once('error', reject),
  );
  expect(response.statusCode).toBe(status);
  expect(response.headers['content-type']).toBe('application/json; charset=utf-8');
  expect(response.headers['cache-control']).toBe('no-store');
  expect(response.headers['retry-after']).toBe(status === 503 ? '5' : undefined);
  expect(JSON.parse(await text(response))).toEqual({
    statusCode: status,
    code,
    error: expect.any(String),
    message: expect.any(String),
  });
}
