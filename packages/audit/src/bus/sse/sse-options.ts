import { SpanledgerError } from '@spanledger/protocol';
import { wholeNumber } from '../bus-options.ts';
import type { EventBus } from '../create-event-bus.ts';

export interface TaskEventsOptions {
  readonly bus: EventBus;
  /** Events of one task that can be sent again to who comes back, and that a slow client may be behind. Default 256; 1 to 65,536. */
  readonly eventsMax?: number;
  /** The same of all tasks together, in bytes of what is sent. Default 33,554,432 (32 MiB); from 65,536. */
  readonly bytesMax?: number;
  /** Tasks that have a client or have just had one. Default 10,000; 1 to 1,000,000. */
  readonly tasksMax?: number;
  /** Clients, over all tasks. Default 10,000; 1 to 1,000,000. */
  readonly clientsMax?: number;
  /** For how long a task's events are kept after its last client has left, or the task has ended, in milliseconds. Default 30,000; 0 to 600,000. */
  readonly graceMs?: number;
  /** How often something is sent where nothing happens, in milliseconds. Default 15,000; 100 to 600,000. */
  readonly heartbeatMs?: number;
  /** After which time a client is to come back, in milliseconds. Default 3,000; 100 to 600,000. */
  readonly retryMs?: number;
}

export type ResolvedTaskEvents = Required<TaskEventsOptions>;

const MIB = 1024 * 1024;
const MANY = 1_000_000;
const LONG_MS = 600_000;

/** @throws SpanledgerError `SPANLEDGER_OPTION` */
export function resolveTaskEvents(options: TaskEventsOptions): ResolvedTaskEvents {
  const { bus } = options;
  if (typeof bus?.subscribe !== 'function') {
    throw new SpanledgerError('SPANLEDGER_OPTION', 'bus must be an EventBus, as createEventBus makes it');
  }
  return Object.freeze({
    bus,
    eventsMax: wholeNumber('eventsMax', options.eventsMax ?? 256, 65_536),
    bytesMax: wholeNumber('bytesMax', options.bytesMax ?? 32 * MIB, Number.MAX_SAFE_INTEGER, 65_536),
    tasksMax: wholeNumber('tasksMax', options.tasksMax ?? 10_000, MANY),
    clientsMax: wholeNumber('clientsMax', options.clientsMax ?? 10_000, MANY),
    graceMs: wholeNumber('graceMs', options.graceMs ?? 30_000, LONG_MS, 0),
    heartbeatMs: wholeNumber('heartbeatMs', options.heartbeatMs ?? 15_000, LONG_MS, 100),
    retryMs: wholeNumber('retryMs', options.retryMs ?? 3_000, LONG_MS, 100),
  });
}
