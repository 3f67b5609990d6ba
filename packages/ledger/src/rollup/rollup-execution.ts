import type { AuditEvent } from '@spanledger/protocol';
import { isName } from '../verify/field-values.ts';
import { fingerprint } from '../records/fingerprint.ts';
import { attemptOf } from '../rewind/step-epoch.ts';
import { Attempts } from './rollup-attempts.ts';
import type { SettledStep } from './rollup-attempts.ts';
import { later, readEnd } from './rollup-end.ts';
import type { End } from './rollup-end.ts';
import type { Outcome } from './rollup-report.ts';
import { TokenTally, isModelCall } from './rollup-tokens.ts';

/** What one execution adds to its definition. */
export interface SettledExecution {
  readonly workflowId: string | undefined;
  /** RFC 3339, as its first event has it. */
  readonly startedAt: string;
  readonly outcome: Outcome;
  readonly durationMs: number | undefined;
  readonly steps: readonly SettledStep[];
  readonly tokens: TokenTally;
  readonly supersededTokens: TokenTally;
}

const WORKFLOW_EVENTS = new Set(['workflow_started', 'workflow_complete', 'workflow_failed', 'workflow_cancelled']);

/** What is kept of one execution while its events come, in whatever order: sums, and what tells copies. */
export class ExecutionEvents {
  readonly #attempts = new Attempts();
  /** Of model calls outside of any attempt. */
  #tokens: TokenTally | undefined;
  /** Of the events that are counted, and not only noted. */
  readonly #counted = new Set<number>();
  /** The orchestrator's word wins over an agent's. */
  #named: { orchestrator?: string; other?: string } = {};
  #starts: string[] = [];
  #firstTs: string | undefined;
  #end: End | undefined;

  /** What it costs to hold: itself, its attempts and the events that it knows copies of. */
  get weight(): number {
    return 1 + this.#attempts.size + this.#counted.size;
  }

  get ended(): boolean {
    return this.#end !== undefined;
  }

  add(event: AuditEvent, bytes: Uint8Array): void {
    if (this.#firstTs === undefined || event.ts < this.#firstTs) this.#firstTs = event.ts;
    this.#noteName(event);
    this.#attempts.see(event);
    const attempt = attemptOf(event);
    if (WORKFLOW_EVENTS.has(event.event)) {
      if (this.#isNew(bytes)) this.#countWorkflow(event);
    } else if (isModelCall(event)) {
      if (!this.#isNew(bytes)) return;
      if (attempt !== undefined) this.#attempts.count(event, attempt);
      else (this.#tokens ??= new TokenTally()).count(event);
    } else if (attempt !== undefined) {
      // The rest says the same however often it is said.
      this.#attempts.count(event, attempt);
    }
  }

  settle(): SettledExecution {
    const [tokens, supersededTokens] = [new TokenTally(), new TokenTally()];
    if (this.#tokens !== undefined) tokens.merge(this.#tokens);
    return {
      workflowId: this.#named.orchestrator ?? this.#named.other,
      startedAt: this.#firstStart() ?? this.#firstTs ?? '',
      outcome: this.#end?.outcome ?? 'open',
      durationMs: this.#durationMs(),
      steps: this.#attempts.settle(tokens, supersededTokens),
      tokens,
      supersededTokens,
    };
  }

  #isNew(bytes: Uint8Array): boolean {
    const print = fingerprint(bytes);
    if (this.#counted.has(print)) return false;
    this.#counted.add(print);
    return true;
  }

  #countWorkflow(event: AuditEvent): void {
    const end = readEnd(event);
    if (end !== undefined) this.#end = later(this.#end, end);
    else this.#starts.push(event.ts);
  }

  #noteName({ workflow_id: workflowId, event }: AuditEvent): void {
    if (!isName(workflowId)) return;
    const by = WORKFLOW_EVENTS.has(event) ? 'orchestrator' : 'other';
    const known = this.#named[by];
    // Of several names always the same one, so that arrival does not count.
    if (known === undefined || workflowId < known) this.#named[by] = workflowId;
  }

  #firstStart(): string | undefined {
    return this.#starts.reduce<string | undefined>((a, b) => (a !== undefined && a < b ? a : b), undefined);
  }

  /** As the orchestrator measured it; of an execution that was begun several times (resumed), by its timestamps. */
  #durationMs(): number | undefined {
    if (this.#end === undefined || this.#starts.length < 2) return this.#end?.durationMs;
    const ms = Date.parse(this.#end.ts) - Date.parse(this.#firstStart() ?? '');
    return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
  }
}
