import type { AuditEvent } from '@spanledger/protocol';

/** One event where it belongs. `event` was read from untrusted bytes: use its fields, do not spread it. */
export interface TimelineEntry {
  /** `<run_id>:<seq>` */
  readonly eventId: string;
  readonly streamSeq: number;
  readonly event: AuditEvent;
  /** Its attempt is superseded. Only there with `collapse: 'mark'`. */
  readonly superseded?: true;
}

/**
 * A run, or a span inside one. The events of one span (start, end, what was emitted while it was active) share a node;
 * those of no span are the run's own.
 */
export interface TimelineNode {
  readonly kind: 'run' | 'span';
  readonly runId: string;
  readonly producer: string;
  /** Of a span's node. */
  readonly spanId?: string;
  readonly entries: readonly TimelineEntry[];
  readonly children: readonly TimelineNode[];
}

/** One execution, in both forms. */
export interface Timeline {
  /** By time, then by place in the stream. An order to show, not to conclude from: clocks differ. */
  readonly entries: readonly TimelineEntry[];
  /** The runs that nothing else contains, in the order of their first event. */
  readonly roots: readonly TimelineNode[];
}

/** A node while the tree grows. */
export interface GrowingNode extends TimelineNode {
  readonly entries: TimelineEntry[];
  readonly children: GrowingNode[];
}
