import type { JsonValue } from '@spanledger/protocol';

/** Runs named in one event: about 6 kB. A step that calls more says how many more (I7). */
const RUNS_MAX = 64;

/** Whom a step called: the runs that agents answered with. */
export class DispatchedRuns {
  readonly #hosts = new Map<string, string | undefined>();
  #more = 0;

  add(runId: string, host: string | undefined): void {
    if (this.#hosts.has(runId)) return;
    if (this.#hosts.size < RUNS_MAX) this.#hosts.set(runId, host);
    else this.#more += 1;
  }

  /** `dispatched`, in the order of the answers, and `dispatched_more`, each if there is any. */
  fields(): Record<string, JsonValue> {
    if (this.#hosts.size === 0) return {};
    const dispatched = Array.from(this.#hosts, ([run_id, host]) => ({ run_id, ...(host !== undefined && { host }) }));
    return { dispatched, ...(this.#more > 0 && { dispatched_more: this.#more }) };
  }
}
