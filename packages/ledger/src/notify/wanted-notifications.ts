import type { AuditEvent } from '@spanledger/protocol';
import { AttemptIndex } from '../rewind/attempt-index.ts';
import type { StepEpoch } from '../rewind/step-epoch.ts';
import { isName } from '../verify/field-values.ts';
import { factsOf, joinFacts } from './facts.ts';
import type { Facts } from './facts.ts';
import type { NotificationKey } from './render.ts';

const MESSAGES_MAX = 20_000;

/** A message that is not what it was. */
export interface Wanted {
  readonly key: NotificationKey;
  readonly facts: Facts;
}

/** Steps by name; without one, the workflow itself. */
type Execution = Map<string | undefined, Facts>;

interface WantedOptions {
  readonly messagesMax?: number;
  /** Told which messages are given up to keep the bound: of executions that have ended, while there are any. */
  readonly onForget?: (keys: readonly NotificationKey[]) => void;
}

/**
 * Turns events into what there is to say: one message for each step, and one for each workflow. It says nothing itself.
 *
 * The result depends on which events were seen, and not on their order or how often (but see `messagesMax`). Events of no execution
 * are passed over. Nothing in an event makes it throw.
 */
export class WantedNotifications {
  readonly #messagesMax: number;
  readonly #onForget: (keys: readonly NotificationKey[]) => void;
  readonly #index = new AttemptIndex();
  /** Those of which something was learnt last come last. */
  readonly #executions = new Map<string, Execution>();
  #held = 0;
  /** Steps for which there was no room. */
  passedOver = 0;

  constructor({ messagesMax = MESSAGES_MAX, onForget = () => {} }: WantedOptions = {}) {
    this.#messagesMax = messagesMax;
    this.#onForget = onForget;
  }

  /**
   * What was known before a restart, all of it, before any event.
   *
   * @returns what follows of it and had not been said: of two messages the process may have died between.
   */
  restore(known: readonly Wanted[]): readonly Wanted[] {
    for (const { key, facts } of known) this.#tellIndex(key, facts);
    return known.flatMap(({ key, facts }) => {
      const judged = this.#join(key.executionId, key.stepId, facts);
      return judged === undefined || judged === facts ? [] : [{ key, facts: judged }];
    });
  }

  /** @returns what is to be said anew. */
  add(event: AuditEvent): readonly Wanted[] {
    const { workflow_execution_id: executionId } = event;
    if (!isName(executionId)) return [];
    const superseded = this.#index.see(event);
    const changed = new Map<string | undefined, Facts>();
    for (const { stepId, facts } of factsOf(event)) {
      const joined = this.#join(executionId, stepId, facts);
      if (joined !== undefined) changed.set(stepId, joined);
    }
    for (const { stepId, epoch } of superseded) {
      const gone = this.#supersede(executionId, stepId, epoch);
      if (gone !== undefined) changed.set(stepId, gone);
    }
    return Array.from(changed, ([stepId, facts]) => ({ key: keyOf(executionId, stepId), facts }));
  }

  #tellIndex({ executionId, stepId }: NotificationKey, { turn, parents = [] }: Facts): void {
    if (stepId === undefined || typeof turn !== 'number') return;
    const attempt = { stepId, epoch: turn };
    this.#index.see(eventOf(executionId, attempt));
    for (const parent of parents) this.#index.see(eventOf(executionId, attempt, parent));
  }

  /** @returns the facts, if they are new. */
  #join(executionId: string, stepId: string | undefined, more: Facts): Facts | undefined {
    const execution = this.#executions.get(executionId) ?? new Map<string | undefined, Facts>();
    const known = execution.get(stepId);
    const joined = this.#judged(executionId, stepId, joinFacts(known, more));
    if (joined === known) return undefined;
    if (known === undefined && !this.#makeRoom(executionId)) return undefined;
    if (known === undefined) this.#held += 1;
    execution.set(stepId, joined);
    this.#executions.delete(executionId);
    this.#executions.set(executionId, execution);
    return joined;
  }

  /** It may have been abandoned before anything was heard of it. */
  #judged(executionId: string, stepId: string | undefined, facts: Facts): Facts {
    if (stepId === undefined || typeof facts.turn !== 'number' || facts.superseded) return facts;
    const isSuperseded = this.#index.isSuperseded(eventOf(executionId, { stepId, epoch: facts.turn }));
    return isSuperseded ? { ...facts, superseded: true } : facts;
  }

  #supersede(executionId: string, stepId: string, epoch: number): Facts | undefined {
    const execution = this.#executions.get(executionId);
    const known = execution?.get(stepId);
    if (known === undefined || known.superseded || Number(known.turn) > epoch) return undefined;
    const gone: Facts = { ...known, superseded: true };
    execution!.set(stepId, gone);
    return gone;
  }

  #makeRoom(current: string): boolean {
    while (this.#held >= this.#messagesMax) {
      const executionId = this.#leastNeeded(current);
      if (executionId === undefined) {
        this.passedOver += 1;
        return false;
      }
      const execution = this.#executions.get(executionId)!;
      this.#executions.delete(executionId);
      this.#held -= execution.size;
      this.#onForget(Array.from(execution.keys(), (stepId) => keyOf(executionId, stepId)));
    }
    return true;
  }

  #leastNeeded(current: string): string | undefined {
    let oldest: string | undefined;
    for (const [executionId, execution] of this.#executions) {
      if (executionId === current) continue;
      const stage = execution.get(undefined)?.stage ?? 'running';
      if (stage !== 'running') return executionId;
      oldest ??= executionId;
    }
    return oldest;
  }
}

function keyOf(executionId: string, stepId: string | undefined): NotificationKey {
  return stepId === undefined ? { executionId } : { executionId, stepId };
}

/** As the index wants it. */
function eventOf(
  executionId: string,
  { stepId, epoch }: StepEpoch,
  parent?: StepEpoch,
): Parameters<AttemptIndex['see']>[0] {
  return {
    run_id: '',
    event: 'workflow_step_started',
    workflow_execution_id: executionId,
    step_id: stepId,
    attempt_epoch: epoch,
    ...(parent && { fields: { parent: { step_id: parent.stepId, attempt_epoch: parent.epoch } } }),
  };
}
