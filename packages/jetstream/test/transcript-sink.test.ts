import type { AuditSink } from '@spanledger/protocol';
import { expect, it } from 'vitest';
import { withTranscripts } from '../src/transcript-sink.ts';

interface Closing extends AuditSink {
  readonly deadlines: (number | undefined)[];
  readonly end: (error?: Error) => void;
}

/** A sink whose `close` ends when the test says so. */
function closing(): Closing {
  const deadlines: (number | undefined)[] = [];
  let resolve = (): void => {};
  let reject: (error: Error) => void = () => {};
  const promise = new Promise<void>((...settle) => ([resolve, reject] = settle));
  return {
    name: 'jetstream',
    deadlines,
    end: (error) => (error === undefined ? resolve() : reject(error)),
    writeEvent: async () => ({ status: 'stored' }),
    close: (deadlineMs) => {
      deadlines.push(deadlineMs);
      return promise;
    },
  };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

it('is closed when both are, and says what of each could not be closed', async () => {
  const [events, chunks] = [closing(), closing()];
  let outcome: unknown;
  const closed = withTranscripts(events, chunks)
    .close(1_000)
    .catch((error: unknown) => (outcome = error));
  expect([events.deadlines, chunks.deadlines]).toEqual([[1_000], [1_000]]);
  events.end(new Error('no route'));
  await turn();
  expect(outcome).toBeUndefined();
  chunks.end(new Error('no leader'));
  await closed;
  expect(outcome).toMatchObject({
    code: 'SPANLEDGER_SINK',
    message: 'not closed: events: no route; transcripts: no leader',
    cause: { errors: [{ message: 'no route' }, { message: 'no leader' }] },
  });
});

it('says so where only one could not be closed', async () => {
  const [events, chunks] = [closing(), closing()];
  events.end();
  chunks.end(new Error('no leader'));
  const { close } = withTranscripts(events, chunks);
  await expect(close()).rejects.toMatchObject({ message: 'not closed: transcripts: no leader' });
});

it('is closed where both are', async () => {
  const [events, chunks] = [closing(), closing()];
  events.end();
  chunks.end();
  expect(await withTranscripts(events, chunks).close()).toBeUndefined();
});
