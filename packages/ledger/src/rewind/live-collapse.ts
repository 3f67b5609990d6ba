import { parseEvent } from '@spanledger/protocol';
import type { AuditEvent, LedgerRecord } from '@spanledger/protocol';
import type { LedgerRecords } from '../records/records.ts';
import { isName } from '../verify/field-values.ts';
import { AttemptIndex } from './attempt-index.ts';
import type { CollapseMode, CollapseOptions } from './collapse.ts';
import { GivenEvents } from './given-events.ts';
import type { StepEpoch } from './step-epoch.ts';

const REMEMBERED_MAX = 100_000;

/** A record, when it comes. */
export interface LiveEvent {
  readonly kind: 'event';
  readonly record: LedgerRecord;
  /** Absent where the record is no event. */
  readonly event?: AuditEvent;
  /** It came too late. What is superseded after it was given is named by a `LiveRewind`. */
  readonly superseded: boolean;
}

/** A correction: events that were given are superseded by what came since. */
export interface LiveRewind {
  readonly kind: 'rewind';
  /** Absent for a run of no execution, which `runId` then names. */
  readonly executionId?: string;
  readonly runId?: string;
  readonly stepId: string;
  /** All events of this step up to this epoch are superseded. */
  readonly epoch: number;
  /** Those that were given, in the order in which they were. */
  readonly supersededEventIds: readonly string[];
}

export type LiveItem = LiveEvent | LiveRewind;

export interface LiveCollapseOptions extends Pick<CollapseOptions, 'index'> {
  /** `superseded` drops what comes too late, `mark` gives it marked; both correct what was given. `none` gives everything, and corrects nothing. */
  readonly mode: CollapseMode;
  /** Events to give. The others still say which attempts there are. Default: all, and records that are no events. */
  readonly only?: (event: AuditEvent | undefined) => boolean;
  /**
   * How many events that were given are remembered, to correct them. Default 100,000: about 20 MB. When it is reached, those of the steps
   * of which no event was given for longest, an eighth, are forgotten, and not corrected any more: see `forgotten`.
   */
  readonly rememberedMax?: number;
}

/**
 * `collapse` for a source without an end: it gives each event when it comes, as what is known by then, and a correction when what it gave
 * becomes stale. All corrections applied, the picture is that of `collapse`.
 *
 * It rejects only if `records` does. Bounds: see `LiveCollapse`.
 */
export async function* collapseLive(
  records: LedgerRecords,
  options: LiveCollapseOptions,
): AsyncGenerator<LiveItem, void, void> {
  const live = new LiveCollapse(options);
  for await (const record of records) yield* live.add(record);
}

/**
 * `collapseLive`, step by step.
 *
 * Memory: the ids of events that may still be superseded (`rememberedMax`), and an `AttemptIndex`; nothing of their content.
 */
export class LiveCollapse {
  readonly #options: LiveCollapseOptions;
  readonly #index: AttemptIndex;
  readonly #given: GivenEvents;

  constructor(options: LiveCollapseOptions) {
    this.#options = options;
    this.#index = options.index ?? new AttemptIndex();
    this.#given = new GivenEvents(options.rememberedMax ?? REMEMBERED_MAX);
  }

  /** Events that were given and would not be corrected any more. */
  get forgotten(): number {
    return this.#given.forgotten;
  }

  /** @returns what there is to show now: corrections first, then the record. Never throws on what is in it. */
  add(record: LedgerRecord): LiveItem[] {
    const { mode, only } = this.#options;
    const event = parseEvent(record.bytes);
    const rewinds = event === undefined || mode === 'none' ? [] : this.#rewinds(event);
    if (only !== undefined && !only(event)) return rewinds;
    if (event === undefined) return [{ kind: 'event', record, superseded: false }];
    const superseded = mode !== 'none' && this.#index.isSuperseded(event);
    if (superseded && mode === 'superseded') return rewinds;
    if (!superseded && mode !== 'none') this.#given.add(event);
    return [...rewinds, { kind: 'event', record, event, superseded }];
  }

  #rewinds(event: AuditEvent): LiveItem[] {
    return this.#index.see(event).flatMap((attempt) => {
      const supersededEventIds = this.#given.take(event, attempt);
      return supersededEventIds.length === 0 ? [] : [toRewind(event, attempt, supersededEventIds)];
    });
  }
}

function toRewind(event: AuditEvent, attempt: StepEpoch, supersededEventIds: readonly string[]): LiveRewind {
  const { workflow_execution_id: executionId, run_id: runId } = event;
  const scope = isName(executionId) ? { executionId } : { runId };
  return { kind: 'rewind', ...scope, ...attempt, supersededEventIds };
}
