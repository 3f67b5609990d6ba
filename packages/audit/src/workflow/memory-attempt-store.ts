import type { AttemptKey, AttemptRecord, AttemptStore, StoredAttempt } from '@spanledger/protocol';

/** Steps, over all executions (I7). One is about 200 bytes. */
const STEPS_MAX = 65_536;

interface Entry {
  readonly record: AttemptRecord;
  readonly revision: number;
}

/**
 * Counts attempts in this process. It answers at once, and forgets with the process.
 *
 * I7: it keeps 65,536 steps. When there are more, it forgets the execution that was asked for the longest time ago.
 */
export class MemoryAttemptStore implements AttemptStore {
  readonly name = 'memory';
  /** In the order in which they were last written. */
  readonly #executions = new Map<string, Map<string, Entry>>();
  readonly #stepsMax: number;
  #steps = 0;
  /** Of all steps together: what was forgotten and is written anew never has a revision that somebody still holds. */
  #revision = 0;

  constructor(stepsMax: number = STEPS_MAX) {
    this.#stepsMax = stepsMax;
  }

  read({ executionId, stepId }: AttemptKey): StoredAttempt {
    return this.#executions.get(executionId)?.get(stepId) ?? { revision: 0 };
  }

  write(key: AttemptKey, record: AttemptRecord, revision: number): number | undefined {
    if (this.read(key).revision !== revision) return undefined;
    const { executionId, stepId } = key;
    const steps = this.#executions.get(executionId) ?? new Map<string, Entry>();
    this.#executions.delete(executionId);
    this.#executions.set(executionId, steps);
    if (!steps.has(stepId)) this.#steps += 1;
    this.#revision += 1;
    steps.set(stepId, { record, revision: this.#revision });
    if (this.#steps > this.#stepsMax) this.#forgetOldest();
    return this.#revision;
  }

  /** All of its steps; of the only execution that there is, its oldest one. */
  #forgetOldest(): void {
    const oldest = this.#executions.entries().next();
    if (oldest.done) return;
    const [executionId, steps] = oldest.value;
    if (this.#executions.size > 1) {
      this.#executions.delete(executionId);
      this.#steps -= steps.size;
      return;
    }
    const step = steps.keys().next();
    if (!step.done && steps.delete(step.value)) this.#steps -= 1;
  }
}

const KEY = Symbol.for('@spanledger/audit/attempts@1');

/** That of the process: over all its runs, pipelines, and loaded copies of this package. */
export function processAttempts(): MemoryAttemptStore {
  const holder = globalThis as { [KEY]?: MemoryAttemptStore };
  return (holder[KEY] ??= new MemoryAttemptStore());
}

/** A store in memory of one's own: for tests, and to see what a store is. Without any, the process has one. */
export function memoryAttemptStore(): AttemptStore {
  return new MemoryAttemptStore();
}
