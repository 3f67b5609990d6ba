import { setImmediate as turn } from 'node:timers/promises';
import { AUDIT_STREAM, AUDIT_SUBJECT, REPORT_EVENTS, decodeSubject, parseEvent } from '@spanledger/protocol';
import type { AuditEvent, LedgerRecord } from '@spanledger/protocol';
import type { NatsConnectionLike } from './nats-connection.ts';
import { lastSeq, readAudit } from './read-audit.ts';
import type { ReadAuditOptions } from './read-audit.ts';

/** What is used of the `EventBus` of `@spanledger/audit/bus`. */
export interface PublishingBus {
  publish(event: AuditEvent): unknown;
}

export interface FeedBusOptions extends Pick<
  ReadAuditOptions,
  'stream' | 'execution' | 'workflow' | 'producer' | 'flat' | 'signal'
> {
  /** Called once, when everything that is stored from now on will come. With the first stream sequence of that. */
  readonly onReady?: (fromSeq: number) => void;
}

/** What has become of the records that came. */
export interface FeedCounts {
  readonly published: number;
  /** No event, not from the producer that it names, or nothing that the bus takes. */
  readonly skipped: number;
}

const REPORTS: ReadonlySet<string> = new Set(REPORT_EVENTS);
/** Listeners have their turn after so many: what comes at once from the server is more than their buffers hold. */
const IN_ONE_TURN = 64;

/**
 * From the stream to a bus: what any process stores from now on, live, so that listeners need not be in the process that emits.
 * Over reconnects and restarts of the server, without a gap. What the ledger says of itself is left out, as by the pipeline's bus.
 *
 * It runs until the signal is aborted, and leaves connection and bus open.
 *
 * @throws SpanledgerError `SPANLEDGER_STREAM` when the stream is not there or may not be read, or the connection is closed
 */
export async function feedBus(
  connection: NatsConnectionLike,
  bus: PublishingBus,
  { onReady, ...options }: FeedBusOptions = {},
): Promise<FeedCounts> {
  const counts = { published: 0, skipped: 0 };
  if (options.signal?.aborted) return counts;
  // By number and not by time: the server's clock is not ours.
  const fromSeq = (await lastSeq(connection, options.stream ?? AUDIT_STREAM)) + 1;
  onReady?.(fromSeq);
  let inTurn = 0;
  for await (const batch of readAudit(connection, { ...options, fromSeq, live: true }).batches()) {
    for (const record of batch) {
      if (options.signal?.aborted) return counts;
      // Counted over batches: several may come in one turn.
      if (inTurn === IN_ONE_TURN) {
        await turn();
        inTurn = 0;
      }
      inTurn += 1;
      publish(bus, record, counts);
    }
  }
  return counts;
}

function publish(bus: PublishingBus, record: LedgerRecord, counts: { published: number; skipped: number }): void {
  const event = eventOf(record);
  if (event !== undefined && REPORTS.has(event.event)) return;
  try {
    if (event === undefined) throw new Error('no event');
    bus.publish(event);
    counts.published += 1;
  } catch {
    // Whatever is on the stream: it must not end what comes after it.
    counts.skipped += 1;
  }
}

/** `undefined` also for an event that comes from another producer than it says: a permission binds subjects, not texts. */
function eventOf({ bytes, subject = AUDIT_SUBJECT }: LedgerRecord): AuditEvent | undefined {
  const event = parseEvent(bytes);
  if (event === undefined || subject === AUDIT_SUBJECT) return event;
  return decodeSubject(subject)?.producer === event.producer ? event : undefined;
}
