import type { SealedEvent, SpanledgerError, WriteOptions, WriteOutcome } from '@spanledger/protocol';
import { expect } from 'vitest';
import { jetStreamSink } from '../src/index.ts';
import type { JetStreamSinkOptions, NatsConnectionLike } from '../src/index.ts';
import { parse, readAll } from './support.ts';

/** A sink that keeps what it is told, what it answered and how often it came back. */
export function watchedSink(options: JetStreamSinkOptions) {
  const alarms: SpanledgerError[] = [];
  const sink = jetStreamSink({ ...options, onAlarm: (error) => alarms.push(error) });
  let answered = 0;
  const write = (events: readonly SealedEvent[], writeOptions?: WriteOptions): Promise<WriteOutcome[]> =>
    Promise.all(
      events.map(async (event) => {
        const outcome = await sink.writeEvent(event, writeOptions);
        answered += 1;
        return outcome;
      }),
    );
  const problem = (): Error | undefined => sink.status!().problem;
  return { sink, alarms, write, answered: () => answered, problem };
}

export const statuses = (outcomes: readonly WriteOutcome[]): string[] => [
  ...new Set(outcomes.map(({ status }) => status)),
];
export const alarmed = (alarms: readonly SpanledgerError[], text: string): boolean =>
  alarms.some(({ message }) => message.includes(text));

/** Each event of each run once, and in order. */
export async function expectLedger(
  connection: NatsConnectionLike,
  runs: readonly (readonly SealedEvent[])[],
): Promise<void> {
  const stored = parse(await readAll(connection));
  expect(stored).toHaveLength(runs.flat().length);
  for (const run of runs) {
    const numbers = stored.filter(({ runId }) => runId === run[0]!.runId).map(({ seq }) => seq);
    expect(numbers).toEqual(run.map(({ seq }) => seq));
  }
}
