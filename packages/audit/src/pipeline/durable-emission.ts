import type { WorkflowContext } from '@spanledger/otel/internal';
import { SpanledgerError, within } from '@spanledger/protocol';
import type { WriteOutcome } from '@spanledger/protocol';
import type { Durability } from '../audit-pipeline.ts';
import type { EventInput } from '../event-input.ts';
import type { Journal } from '../journal/journal.ts';
import type { AwaitedOutcomes } from './awaited-outcomes.ts';
import type { KeptEvent } from './kept-event.ts';

const DURABLE_MS = 5_000;

interface DurableEmissionOptions {
  readonly journal: Journal | undefined;
  readonly awaited: AwaitedOutcomes;
  readonly emit: (scope: WorkflowContext, input: EventInput) => KeptEvent | undefined;
  /** Why an event is not kept, cannot be signed, or is not stored, where that is known. */
  readonly problems: Readonly<Record<'keeping' | 'signing' | 'sink', () => Error | undefined>>;
}

/** Seals an event, and waits until it is durable: in the journal, or acknowledged by the sink. */
export class DurableEmission {
  readonly #options: DurableEmissionOptions;

  constructor(options: DurableEmissionOptions) {
    this.#options = options;
  }

  /** @throws SpanledgerError `SPANLEDGER_NOT_DURABLE` */
  async emit(
    scope: WorkflowContext,
    input: EventInput,
    durability: Durability = {},
    whenKept?: () => void,
  ): Promise<string> {
    const { journal } = this.#options;
    const { durable = journal === undefined ? 'acknowledged' : 'journal', deadlineMs = DURABLE_MS } = durability;
    const kept = this.#options.emit(scope, input);
    if (kept === undefined) throw this.#notKept();
    whenKept?.();
    // I7: the id alone, as its bytes may wait on the disk for longer than anybody waits here.
    if (durable === 'acknowledged') return this.#acknowledged(kept.id, deadlineMs);
    if (journal === undefined || kept.position === 0) throw notDurable('it is in no journal');
    await this.#inTime(journal.whenDurable(kept.position), deadlineMs);
    return kept.id;
  }

  async #acknowledged(id: string, deadlineMs: number): Promise<string> {
    const { awaited } = this.#options;
    try {
      await this.#inTime(new Promise((resolve, reject) => awaited.add(id, toPromise(resolve, reject))), deadlineMs);
      return id;
    } finally {
      awaited.forget(id);
    }
  }

  #notKept(): SpanledgerError {
    const { keeping, signing } = this.#options.problems;
    const problem = signing();
    if (problem !== undefined) return notDurable('it could not be signed', problem);
    return notDurable('it was not kept', keeping());
  }

  async #inTime(durable: Promise<void>, deadlineMs: number): Promise<void> {
    let inTime: boolean;
    try {
      inTime = await within(durable, deadlineMs);
    } catch (error) {
      throw notDurable('it was refused', error);
    }
    if (!inTime) throw notDurable(`the deadline of ${deadlineMs} ms has passed`, this.#options.problems.sink());
  }
}

function toPromise(resolve: () => void, reject: (error: Error) => void): (outcome: WriteOutcome) => void {
  return (outcome) => (outcome.status === 'stored' ? resolve() : reject(outcome.error));
}

function notDurable(reason: string, cause?: unknown): SpanledgerError {
  return new SpanledgerError('SPANLEDGER_NOT_DURABLE', `the event is not durable: ${reason}`, { cause });
}
