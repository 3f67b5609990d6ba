import type { AuditEvent } from '@spanledger/protocol';
import { isName } from '../verify/field-values.ts';
import type { ModelTokens, TokenTotals } from './rollup-report.ts';

/** I7: the names come from events. */
const MODELS_MAX = 100;

const MODEL_CALLS = new Set(['llm_call', 'llm_call_failed', 'llm_call_cancelled']);

/** Other events may carry tokens too, and would be sums of what these have said already. */
export function isModelCall(event: AuditEvent): boolean {
  return MODEL_CALLS.has(event.event);
}

type Totals = { -readonly [Key in keyof TokenTotals]: TokenTotals[Key] };

/** Tokens by model. */
export class TokenTally {
  readonly #byModel = new Map<string | undefined, Totals>();

  count(call: AuditEvent): void {
    const row = this.#row(isName(call.model) ? call.model : undefined);
    const [input, output] = [tokens(call.input_tokens), tokens(call.output_tokens)];
    row.calls += 1;
    row.inputTokens += input ?? 0;
    row.outputTokens += output ?? 0;
    if (input === undefined && output === undefined) row.unavailable += 1;
  }

  merge(other: TokenTally): void {
    for (const [model, totals] of other.#byModel) addTo(this.#row(model), totals);
  }

  total(): TokenTotals {
    const sum = none();
    for (const totals of this.#byModel.values()) addTo(sum, totals);
    return sum;
  }

  /** Most tokens first, then by name. */
  models(): ModelTokens[] {
    return Array.from(this.#byModel, ([model, totals]) => ({ ...(model !== undefined && { model }), ...totals })).sort(
      (a, b) => weight(b) - weight(a) || ((a.model ?? '') < (b.model ?? '') ? -1 : 1),
    );
  }

  #row(model: string | undefined): Totals {
    const known = this.#byModel.get(model);
    if (known !== undefined) return known;
    if (model !== undefined && this.#byModel.size >= MODELS_MAX) return this.#row(undefined);
    const row = none();
    this.#byModel.set(model, row);
    return row;
  }
}

function none(): Totals {
  return { calls: 0, inputTokens: 0, outputTokens: 0, unavailable: 0 };
}

function addTo(sum: Totals, { calls, inputTokens, outputTokens, unavailable }: TokenTotals): void {
  sum.calls += calls;
  sum.inputTokens += inputTokens;
  sum.outputTokens += outputTokens;
  sum.unavailable += unavailable;
}

function weight({ inputTokens, outputTokens }: TokenTotals): number {
  return inputTokens + outputTokens;
}

function tokens(value: unknown): number | undefined {
  return Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : undefined;
}
