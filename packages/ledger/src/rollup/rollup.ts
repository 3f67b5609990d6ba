import { parseEvent } from '@spanledger/protocol';
import type { LedgerRecord } from '@spanledger/protocol';
import { isName } from '../verify/field-values.ts';
import { forEachRecord } from '../records/records.ts';
import type { LedgerRecords } from '../records/records.ts';
import type { CollapseMode } from '../rewind/collapse.ts';
import { ExecutionEvents } from './rollup-execution.ts';
import type { SettledExecution } from './rollup-execution.ts';
import type { Rollup, WorkflowRollup } from './rollup-report.ts';
import { WorkflowTally } from './rollup-workflow.ts';

export interface RollupOptions {
  /** One definition only. Default: all. */
  readonly workflowId?: string;
  /** Executions that began at this moment or later. Default: all. */
  readonly from?: Date;
  /** Executions that began before this moment. Default: all. */
  readonly to?: Date;
  /**
   * How much may be held of executions that are not summed up yet: one for each of them, for each attempt of a step, for each step that
   * was tried again or has parts, for each part, for each model call, and for each start and end of a workflow. Default 100,000: about
   * 40 MB. When it is reached, executions that have ended go first, the oldest of them first, and then the oldest open one, counted as
   * open.
   */
  readonly heldMax?: number;
  /**
   * `superseded`, the default, counts a step once, by its last attempt; `retries` and `supersededTokens` say what was before. `mark` says
   * beside that how the superseded attempts ended. `none` counts each attempt as one of its own.
   */
  readonly collapse?: CollapseMode;
}

const HELD_MAX = 100_000;
const WORKFLOWS_MAX = 1_000;
/** Steps with figures of their own, over all definitions. */
const STEPS_MAX = 10_000;

/**
 * Sums executions up by their definition: how many, how they ended, how long they took, what they spent, where they fail. A
 * retried step counts once, by its last attempt, unless `collapse` says otherwise.
 *
 * It counts what is there and does not judge (`verify` does): copies of the same bytes count once, the contents of a conflict
 * each. As long as `heldMax` is not reached, the order of the records does not matter. It rejects only if `records` does.
 */
export async function rollup(records: LedgerRecords, options: RollupOptions = {}): Promise<Rollup> {
  const reader = new RollupReader(options);
  await forEachRecord(records, (record) => reader.add(record));
  return reader.finish();
}

class RollupReader {
  readonly #options: RollupOptions;
  readonly #heldMax: number;
  readonly #open = new Map<string, ExecutionEvents>();
  /** They stay as long as there is room: agents' events may come after the orchestrator's last one. */
  readonly #ended = new Map<string, ExecutionEvents>();
  /** Ids of those that were let go, as many as may be held: what comes of them later must not make them new ones. */
  readonly #gone = new Set<string>();
  #weight = 0;
  #evicted = 0;
  #lateEvents = 0;
  readonly #stepBudget = { left: STEPS_MAX };
  readonly #workflows = new Map<string | undefined, WorkflowTally>();
  #otherWorkflows: WorkflowTally | undefined;

  constructor(options: RollupOptions) {
    this.#options = options;
    this.#heldMax = options.heldMax ?? HELD_MAX;
  }

  /** Never throws on what is in the record. */
  add({ bytes }: LedgerRecord): void {
    const event = parseEvent(bytes);
    const id: unknown = event?.workflow_execution_id;
    if (event === undefined || !isName(id)) return;
    if (this.#isOfAnother(event.workflow_id)) return;
    if (this.#gone.has(id)) {
      this.#lateEvents += 1;
      return;
    }
    const execution = this.#execution(id);
    this.#weight -= execution.weight;
    execution.add(event, bytes);
    this.#weight += execution.weight;
    if (execution.ended && this.#open.delete(id)) this.#ended.set(id, execution);
    while (this.#weight > this.#heldMax) this.#letOneGo();
  }

  finish(): Rollup {
    for (const held of [this.#ended, this.#open])
      for (const execution of held.values()) this.#count(execution.settle());
    return {
      workflows: Array.from(this.#workflows, ([id, tally]) => tally.report(id)).sort(byName),
      ...(this.#otherWorkflows && { otherWorkflows: this.#otherWorkflows.report(undefined) }),
      evicted: this.#evicted,
      lateEvents: this.#lateEvents,
    };
  }

  #isOfAnother(workflowId: unknown): boolean {
    const { workflowId: wanted } = this.#options;
    return wanted !== undefined && workflowId !== undefined && workflowId !== wanted;
  }

  #execution(id: string): ExecutionEvents {
    let execution = this.#open.get(id) ?? this.#ended.get(id);
    if (execution === undefined) {
      execution = new ExecutionEvents();
      this.#open.set(id, execution);
      this.#weight += execution.weight;
    }
    return execution;
  }

  #letOneGo(): void {
    const from = this.#ended.size > 0 ? this.#ended : this.#open;
    const [id, execution] = from.entries().next().value as [string, ExecutionEvents];
    from.delete(id);
    this.#weight -= execution.weight;
    if (!execution.ended) this.#evicted += 1;
    this.#count(execution.settle());
    this.#gone.add(id);
    if (this.#gone.size > this.#heldMax) this.#gone.delete(this.#gone.values().next().value as string);
  }

  #count(execution: SettledExecution): void {
    const { workflowId } = execution;
    const { workflowId: wanted } = this.#options;
    if ((wanted !== undefined && workflowId !== wanted) || !this.#isInWindow(execution.startedAt)) return;
    this.#tally(workflowId).count(execution);
  }

  #isInWindow(startedAt: string): boolean {
    const { from, to } = this.#options;
    if (from === undefined && to === undefined) return true;
    const atMs = Date.parse(startedAt);
    return atMs >= (from?.getTime() ?? -Infinity) && atMs < (to?.getTime() ?? Infinity);
  }

  #tally(workflowId: string | undefined): WorkflowTally {
    const known = this.#workflows.get(workflowId);
    if (known !== undefined) return known;
    const isFull = this.#workflows.size >= WORKFLOWS_MAX;
    if (isFull && this.#otherWorkflows !== undefined) return this.#otherWorkflows;
    const tally = new WorkflowTally(this.#stepBudget, this.#options.collapse ?? 'superseded');
    if (isFull) this.#otherWorkflows = tally;
    else this.#workflows.set(workflowId, tally);
    return tally;
  }
}

/** Those without a definition last. */
function byName(a: WorkflowRollup, b: WorkflowRollup): number {
  if (a.workflowId === undefined || b.workflowId === undefined) return a.workflowId === undefined ? 1 : -1;
  return a.workflowId < b.workflowId ? -1 : 1;
}
