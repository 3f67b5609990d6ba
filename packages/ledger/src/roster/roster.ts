import { isTerminalEvent, parseEvent } from '@spanledger/protocol';
import type { AuditEvent, LedgerRecord } from '@spanledger/protocol';
import { isName } from '../verify/field-values.ts';
import { forEachRecord } from '../records/records.ts';
import type { LedgerRecords } from '../records/records.ts';
import { readDispatched, readNamed, readUnnamed } from './roster-claims.ts';
import type { DispatchClaim } from './roster-claims.ts';
import type { DispatchState, DispatchedRun, RosterReport } from './roster-report.ts';
import type { ProducerAbsentFinding } from '../verify/finding.ts';

export interface RosterOptions {
  /**
   * `always`: every agent is known to record each request (`lifecycle()`), so that an answered run must be there, whatever it
   * said of itself. Default `with-events`: it must if it answered that it was recorded, or a checkpoint names it.
   */
  readonly lifecycle?: 'always' | 'with-events';
  /** Runs, and calls, to hold at most. Default 200,000 each: about 130 MB when both are full. */
  readonly heldMax?: number;
}

const HELD_MAX = 200_000;

/**
 * Holds whom orchestrators called against who is in the ledger.
 *
 * Read an execution whole, with its producers' instance runs: what was not read looks absent. So does an agent whose events
 * are still in its journal, until they come. The order of the records does not matter. It rejects only if `records` does.
 */
export async function roster(records: LedgerRecords, options: RosterOptions = {}): Promise<RosterReport> {
  const reader = new LedgerRoster(options);
  await forEachRecord(records, (record) => reader.add(record));
  return reader.report();
}

/** What is known of a run. */
interface RunNote {
  /** Who wrote it: of several, the first by name, so that arrival does not count. */
  producer?: string;
  recorded?: boolean;
  ended?: boolean;
  lost?: boolean;
}

/**
 * `roster`, step by step. It holds one small object for each run that it reads of and for each call. When either is full, no
 * more are held and none that is held goes: what was passed over makes runs `unknown`, and never a finding (I9).
 */
export class LedgerRoster {
  readonly #lifecycle: 'always' | 'with-events';
  readonly #heldMax: number;
  readonly #runs = new Map<string, RunNote>();
  readonly #claims = new Map<string, DispatchClaim>();
  /** By event id: a copy counts nothing again. */
  readonly #unnamed = new Map<string, number>();
  #runsPassedOver = 0;
  #claimsPassedOver = 0;

  constructor({ lifecycle = 'with-events', heldMax = HELD_MAX }: RosterOptions = {}) {
    this.#lifecycle = lifecycle;
    this.#heldMax = heldMax;
  }

  /** Takes one record in. Never throws on what is in it. */
  add({ bytes, streamSeq }: LedgerRecord): void {
    const event = parseEvent(bytes);
    if (event === undefined || !isName(event.run_id) || !isName(event.producer)) return;
    this.#note(event.run_id, (run) => {
      if (run.producer === undefined || event.producer < run.producer) run.producer = event.producer;
      if (isTerminalEvent(event.event)) run.ended = true;
    });
    for (const { runId, as } of readNamed(event)) this.#note(runId, (run) => (run[as] = true));
    for (const claim of readDispatched(event, streamSeq)) this.#claim(claim);
    this.#countUnnamed(event);
  }

  /** The verdict on everything added so far. More may be added after. */
  report(): RosterReport {
    const judged = [...this.#claims.values()].sort(byStep).map((claim) => ({ claim, state: this.#judge(claim) }));
    const absent = judged.filter(({ state }) => state === 'absent').map(({ claim }) => claim);
    return {
      dispatched: judged.map(({ claim, state }) => dispatchedRun(claim, state, this.#runs.get(claim.runId)?.producer)),
      findings: absent.sort((a, b) => a.streamSeq - b.streamSeq || compare(a.runId, b.runId)).map(finding),
      unnamed: [...this.#unnamed.values()].reduce((sum, count) => sum + count, 0),
      overflowed: this.#runsPassedOver + this.#claimsPassedOver,
    };
  }

  #judge({ runId, recorded, by }: DispatchClaim): DispatchState {
    const run = this.#runs.get(runId);
    if (run?.producer !== undefined) return 'present';
    if (this.#runsPassedOver > 0) return 'unknown';
    if (run?.lost) return 'lost';
    if (!this.#runs.get(by.runId)?.ended) return 'pending';
    const expected = recorded || run?.recorded || run?.ended || this.#lifecycle === 'always';
    return expected ? 'absent' : 'silent';
  }

  #note(runId: string, change: (run: RunNote) => void): void {
    let run = this.#runs.get(runId);
    if (run === undefined) {
      if (this.#runs.size >= this.#heldMax) {
        this.#runsPassedOver += 1;
        return;
      }
      this.#runs.set(runId, (run = {}));
    }
    change(run);
  }

  #claim(claim: DispatchClaim): void {
    const key = JSON.stringify([claim.by.eventId, claim.runId]);
    const known = this.#claims.get(key);
    // A copy. Its first place is the one to look at.
    if (known !== undefined) known.streamSeq = Math.min(known.streamSeq, claim.streamSeq);
    else if (this.#claims.size < this.#heldMax) this.#claims.set(key, claim);
    else this.#claimsPassedOver += 1;
  }

  #countUnnamed(event: AuditEvent): void {
    const unnamed = readUnnamed(event);
    if (unnamed === 0) return;
    const key = `${event.run_id}:${event.seq}`;
    if (this.#unnamed.has(key) || this.#unnamed.size < this.#heldMax) this.#unnamed.set(key, unnamed);
    else this.#claimsPassedOver += 1;
  }
}

function place({
  executionId,
  stepId,
  attempt,
}: DispatchClaim): Pick<DispatchedRun, 'executionId' | 'stepId' | 'attempt'> {
  return { executionId, ...(stepId !== undefined && { stepId }), ...(attempt !== undefined && { attempt }) };
}

function dispatchedRun(claim: DispatchClaim, state: DispatchState, producer: string | undefined): DispatchedRun {
  const { runId, host } = claim;
  return {
    ...place(claim),
    runId,
    ...(host !== undefined && { host }),
    state,
    ...(producer !== undefined && { producer }),
  };
}

function finding(claim: DispatchClaim): ProducerAbsentFinding {
  const { by, streamSeq, runId: absentRunId, host } = claim;
  return {
    cause: 'producer_absent',
    ...by,
    streamSeq,
    ...place(claim),
    absentRunId,
    ...(host !== undefined && { host }),
  };
}

function byStep(a: DispatchClaim, b: DispatchClaim): number {
  return (
    compare(a.executionId, b.executionId) ||
    compare(a.stepId ?? '', b.stepId ?? '') ||
    (a.attempt ?? 0) - (b.attempt ?? 0) ||
    compare(a.runId, b.runId) ||
    compare(a.by.eventId, b.by.eventId)
  );
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
