import { SpanledgerError, within } from '@spanledger/protocol';
import type {
  AuditSink,
  SealedEvent,
  SealedTranscript,
  SinkStatus,
  WriteOptions,
  WriteOutcome,
} from '@spanledger/protocol';
import { answerOf } from './answer-of.ts';
import { closedOutcome } from './closed-outcome.ts';
import { OrderedHandover } from './ordered-handover.ts';

/** For a sink to let go of its medium after its deadline has come, before the next one is closed. */
const CLOSE_GRACE_MS = 250;

const STORED: WriteOutcome = { status: 'stored' };

/**
 * Writes every event to all of the sinks, one after the other: a sink gets it once the one before has stored it. The first that does
 * not store it gives the answer, and those after it never see the event. So what a sink has, those before it have had as
 * well; `stored` means that all have it. An event that failed and is tried again is given to all of them again.
 *
 * Many events are under way at once, each run's in order: a write takes as long as all of its sinks together, and a sink that is away
 * holds up those after it. The nearest and surest belongs first.
 *
 * `close` closes them in the same order, each once nothing is on its way to it. Every one is tried; if some could not be
 * closed it rejects, and can be called again, for those alone. Until all are closed, events are passed on to them.
 *
 * @throws SpanledgerError `SPANLEDGER_OPTION` if there is none; from `close`, `SPANLEDGER_SINK` with an `AggregateError` as cause
 */
export function fanOutSink(sinks: readonly AuditSink[]): AuditSink {
  if (sinks.length === 0) throw new SpanledgerError('SPANLEDGER_OPTION', 'fanOutSink needs at least one sink');
  return new FanOutSink(sinks);
}

/** One of the sinks. */
interface Stage {
  readonly sink: AuditSink;
  /** What is on its way from here to the next. */
  readonly onward: OrderedHandover;
  closed: boolean;
}

class FanOutSink implements AuditSink {
  readonly name = 'fan-out';
  readonly onResume?: NonNullable<AuditSink['onResume']>;
  readonly writeTranscript?: NonNullable<AuditSink['writeTranscript']>;
  readonly #stages: readonly Stage[];
  /** The one whose numbers are watched: whether it has lost what it had stored. -1 if none can say so. */
  readonly #resuming: number;
  #closing: Promise<void> | undefined;

  constructor(sinks: readonly AuditSink[]) {
    this.#stages = sinks.map((sink) => ({ sink, onward: new OrderedHandover(), closed: false }));
    this.#resuming = sinks.findIndex((sink) => sink.onResume !== undefined);
    const resuming = sinks[this.#resuming];
    if (resuming !== undefined) this.onResume = (listener) => resuming.onResume?.(listener);
    if (sinks.some((sink) => sink.writeTranscript !== undefined)) {
      this.writeTranscript = (transcript, options) => this.#writeTranscript(transcript, options);
    }
  }

  /** The first sink is called at once: calls that come in order reach it in order. */
  async writeEvent(event: SealedEvent, options?: WriteOptions): Promise<WriteOutcome> {
    if (this.#stages.every(({ closed }) => closed)) return closedOutcome(this.name);
    let answer: WriteOutcome | undefined;
    for (const [index, { sink, onward }] of this.#stages.entries()) {
      const answered = answerOf(() => sink.writeEvent(event, options));
      const isLast = index === this.#stages.length - 1;
      const outcome = await (isLast ? answered : onward.inOrder(event.runId, answered));
      if (outcome.status !== 'stored') return outcome;
      if (answer === undefined || index === this.#resuming) answer = outcome;
    }
    return answer!;
  }

  status(): SinkStatus {
    const states = this.#stages.flatMap(({ sink }) => sink.status?.() ?? []);
    const problem = states.find((state) => state.problem !== undefined)?.problem;
    return { problem, retries: states.reduce((sum, { retries }) => sum + retries, 0) };
  }

  close(deadlineMs: number = Infinity): Promise<void> {
    this.#closing ??= this.#closeAll(deadlineMs).catch((error: unknown) => {
      this.#closing = undefined;
      throw error;
    });
    return this.#closing;
  }

  /** To those that take transcripts, which are in no order. */
  async #writeTranscript(transcript: SealedTranscript, options: WriteOptions | undefined): Promise<WriteOutcome> {
    if (this.#stages.every(({ closed }) => closed)) return closedOutcome(this.name);
    for (const { sink, onward } of this.#stages) {
      const answered = answerOf(async () => sink.writeTranscript?.(transcript, options) ?? STORED);
      const outcome = await onward.atOnce(answered);
      if (outcome.status !== 'stored') return outcome;
    }
    return STORED;
  }

  async #closeAll(deadlineMs: number): Promise<void> {
    const endAtMs = performance.now() + deadlineMs;
    const errors: Error[] = [];
    for (const stage of this.#stages) {
      if (stage.closed) continue;
      try {
        await inTime((leftMs) => stage.sink.close(leftMs), endAtMs, 'it did not close in time');
        stage.closed = true;
        // It has answered everything: what it has stored is on its way to the next. One that has not must not keep the others.
        await inTime(() => stage.onward.empty(), endAtMs, 'it is closed, and has not answered all that it was given');
      } catch (error) {
        errors.push(new Error(`the ${stage.sink.name} sink: ${messageOf(error)}`, { cause: error }));
      }
    }
    if (errors.length === 0) return;
    const message = `not closed: ${errors.map((error) => error.message).join('; ')}`;
    throw new SpanledgerError('SPANLEDGER_SINK', message, { cause: new AggregateError(errors, message) });
  }
}

/** What does not keep its deadline must not keep the other sinks from being closed. @throws `tooLate` */
async function inTime(step: (leftMs?: number) => Promise<void>, endAtMs: number, tooLate: string): Promise<void> {
  if (endAtMs === Infinity) return step();
  const leftMs = Math.max(0, endAtMs - performance.now());
  // At its deadline a sink answers what is open, and it is closed only after that.
  if (!(await within(step(leftMs), leftMs + CLOSE_GRACE_MS))) throw new Error(tooLate);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
