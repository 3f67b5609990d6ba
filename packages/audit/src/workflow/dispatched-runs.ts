import type { AnsweredRun } from '@spanledger/otel/internal';
import type { JsonValue } from '@spanledger/protocol';

/** Runs named in one event: about 7 kB. A step that calls more says how many more (I7). */
const RUNS_MAX = 64;

/** Whom a step called: the runs that agents answered with. */
export class DispatchedRuns {
  readonly #answers = new Map<string, AnsweredRun>();
  #more = 0;

  add(answer: AnsweredRun): void {
    if (this.#answers.has(answer.runId)) return;
    if (this.#answers.size < RUNS_MAX) this.#answers.set(answer.runId, answer);
    else this.#more += 1;
  }

  /** `dispatched`, in the order of the answers, and `dispatched_more`, each if there is any. */
  fields(): Record<string, JsonValue> {
    if (this.#answers.size === 0) return {};
    const dispatched = Array.from(this.#answers.values(), ({ runId, host, recorded }) => ({
      run_id: runId,
      ...(host !== undefined && { host }),
      ...(recorded && { recorded }),
    }));
    return { dispatched, ...(this.#more > 0 && { dispatched_more: this.#more }) };
  }
}
