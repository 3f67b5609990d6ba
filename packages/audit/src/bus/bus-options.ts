import { SpanledgerError, TERMINAL_EVENTS, isEventName } from '@spanledger/protocol';

export interface EventBusOptions {
  /** Finished tasks that are remembered; the oldest is forgotten first. Default 10,000; 1 to 1,000,000. */
  readonly finishedMax?: number;
  /** Open subscriptions, over all tasks. Default 10,000; 1 to 1,000,000. */
  readonly subscribersMax?: number;
  /**
   * The events that finish a task. Default: the five that end a run. Name fewer where the runs of several services share
   * one task id, and only one of them ends it.
   */
  readonly terminalEvents?: readonly string[];
}

export interface SubscriptionOptions {
  /** `task_id` of the events, else their `run_id`: 1 to 256 UTF-16 units. */
  readonly taskId: string;
  /** Only events with this `session_id`, and a terminal event that has none. Default: all. */
  readonly sessionId?: string | undefined;
  /** Only events with this `client_request_id`, and a terminal event that has none. Default: all. */
  readonly clientRequestId?: string | undefined;
  /** Streaming chunks too. Default false. */
  readonly chunks?: boolean | undefined;
  /** Events that may wait to be taken; more are dropped and counted. Default 256; 1 to 65,536. */
  readonly buffer?: number | undefined;
}

export interface ResolvedBusOptions {
  readonly finishedMax: number;
  readonly subscribersMax: number;
  readonly terminalEvents: ReadonlySet<string>;
}

export type ResolvedSubscription = Omit<SubscriptionOptions, 'chunks' | 'buffer'> & {
  readonly chunks: boolean;
  readonly buffer: number;
};

const MANY = 1_000_000;
/** As long as one is in the ledger: a longer one is cut there, and who asked for it would hear nothing. */
const ID_MAX = 256;

/** @throws SpanledgerError `SPANLEDGER_OPTION` */
export function resolveBusOptions(options: EventBusOptions): ResolvedBusOptions {
  return {
    finishedMax: wholeNumber('finishedMax', options.finishedMax ?? 10_000, MANY),
    subscribersMax: wholeNumber('subscribersMax', options.subscribersMax ?? 10_000, MANY),
    terminalEvents: eventNames('terminalEvents', options.terminalEvents ?? TERMINAL_EVENTS),
  };
}

/** @throws SpanledgerError `SPANLEDGER_OPTION`, `SPANLEDGER_VALUE` */
export function resolveSubscription(options: SubscriptionOptions): ResolvedSubscription {
  return {
    taskId: busId('taskId', options.taskId),
    sessionId: options.sessionId === undefined ? undefined : busId('sessionId', options.sessionId),
    clientRequestId:
      options.clientRequestId === undefined ? undefined : busId('clientRequestId', options.clientRequestId),
    chunks: options.chunks ?? false,
    buffer: wholeNumber('buffer', options.buffer ?? 256, 65_536),
  };
}

/**
 * An id is a key of our maps, so it is bounded (I7), and an empty one would make strangers share a task.
 *
 * @throws SpanledgerError `SPANLEDGER_VALUE`
 */
export function busId(name: string, value: unknown): string {
  if (typeof value === 'string' && value !== '' && value.length <= ID_MAX) return value;
  throw new SpanledgerError('SPANLEDGER_VALUE', `${name} must be a string of 1 to ${ID_MAX} UTF-16 units`);
}

/** A text is a list of its letters to a `Set`, and no task would ever end. */
function eventNames(name: string, names: readonly string[]): ReadonlySet<string> {
  if (Array.isArray(names) && names.every(isEventName)) return new Set(names);
  throw new SpanledgerError('SPANLEDGER_OPTION', `${name} must be an array of names of events`);
}

/** @throws SpanledgerError `SPANLEDGER_OPTION` */
export function wholeNumber(name: string, value: number, max: number, min = 1): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new SpanledgerError('SPANLEDGER_OPTION', `${name} must be a whole number from ${min} to ${max}, got ${value}`);
}
