import type { CollapseMode, LiveEvent, LiveRewind } from '@spanledger/ledger';
import { eventId } from '@spanledger/protocol';
import type { AuditEvent } from '@spanledger/protocol';
import { CorrectableLines } from '../terminal/correctable-lines.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { visible } from '../terminal/visible.ts';
import { eventName, measures, stepOf, supersededText, timeOf } from './event-text.ts';

const PRODUCER_WIDTH = 24;
const EVENT_WIDTH = 24;

/** How what is watched is told. */
export interface WatchPrinter {
  event(item: LiveEvent): Promise<void>;
  rewind(item: LiveRewind): Promise<void>;
  /** For who watches; not a result. */
  note(text: string): void;
}

/** NDJSON: an object for each event, and one with `rewind` for each correction. */
export class JsonPrinter implements WatchPrinter {
  readonly #terminal: Terminal;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  event({ record, event, superseded }: LiveEvent): Promise<void> {
    const { streamSeq, subject, storedAtMs } = record;
    const storedAt = storedAtMs === undefined ? undefined : new Date(storedAtMs).toISOString();
    // `null`, so that it is there: this record is no event.
    const document = { streamSeq, storedAt, subject, event: event ?? null, ...(superseded && { superseded }) };
    return this.#terminal.json(document, 0);
  }

  rewind({ executionId, runId, stepId, epoch, supersededEventIds }: LiveRewind): Promise<void> {
    return this.#terminal.json({ rewind: { executionId, runId, stepId, epoch, supersededEventIds } }, 0);
  }

  note(text: string): void {
    this.#terminal.note(text);
  }
}

/** A line for each event. What becomes stale is corrected where it stands, and what is out of sight, or in a pipe, in one line more. */
export class TextPrinter implements WatchPrinter {
  readonly #terminal: Terminal;
  readonly #mode: CollapseMode;
  readonly #lines: CorrectableLines;

  constructor(terminal: Terminal, mode: CollapseMode) {
    this.#terminal = terminal;
    this.#mode = mode;
    this.#lines = new CorrectableLines(terminal);
  }

  event({ record: { streamSeq, subject }, event, superseded }: LiveEvent): Promise<void> {
    const { colors } = this.#terminal;
    if (event === undefined)
      return this.#lines.print(colors.red(`not an event  ${visible(subject)}  stream seq ${streamSeq}`));
    const text = lineOf(event, this.#terminal);
    const id = eventId({ runId: event.run_id, seq: event.seq });
    return this.#lines.print(superseded ? supersededText(text, colors) : text, id);
  }

  async rewind({ executionId, runId, stepId, epoch, supersededEventIds }: LiveRewind): Promise<void> {
    const { colors, isTerminal } = this.#terminal;
    const corrected = await this.#lines.correct(new Set(supersededEventIds), (text) =>
      this.#mode === 'mark' ? supersededText(text, colors) : undefined,
    );
    const left = supersededEventIds.filter((id) => !corrected.has(id)).length;
    if (left === 0) return;
    const step = stepOf({ step_id: stepId, attempt_epoch: epoch });
    const where = isTerminal ? 'out of sight' : 'above';
    const of = visible(executionId ?? runId ?? '-', 64);
    await this.#lines.print(
      colors.yellow(`superseded  ${step}  ${left} event${left === 1 ? '' : 's'} ${where}  ${of}`),
    );
  }

  note(text: string): void {
    this.#lines.forget();
    this.#terminal.note(text);
  }
}

function lineOf(event: AuditEvent, { colors }: Terminal): string {
  const producer = visible(event.producer, PRODUCER_WIDTH).padEnd(PRODUCER_WIDTH);
  const padding = ' '.repeat(Math.max(0, EVENT_WIDTH - event.event.length));
  const parts = [
    colors.dim(timeOf(event)),
    colors.bold(producer),
    eventName(event, colors) + padding,
    stepOf(event),
    measures(event),
    colors.dim(`${visible(event.workflow_execution_id ?? '-', 64)}  ${visible(event.run_id, 64)}:${event.seq}`),
  ];
  return parts.filter((part) => part !== '').join('  ');
}
