import { createChain, seal } from '@spanledger/protocol';
import { describe, expect, it } from 'vitest';
import { DeliveryQueue } from '../src/delivery/delivery-queue.ts';
import { JournalFeed } from '../src/delivery/journal-feed.ts';
import { draft } from './journaled-pipeline.ts';
import { eventually, sha256 } from './support.ts';

describe('publishing again', () => {
  it('is not over before the last event is answered, also if the journal could not be read at once', async () => {
    const chain = createChain(crypto.randomUUID());
    const events = [1, 2].map(() => seal(chain, draft('tool_exec'), 'auditEvent.-.-.svc', sha256));
    const marks: boolean[] = [];
    let reads = 0;
    const source = {
      position: 2,
      async *read() {
        reads += 1;
        if (reads === 1) throw new Error('the disk is tired');
        yield* events.map((event, i) => ({ position: i + 1, event, acknowledged: true }));
      },
      acknowledge() {},
      markDoubtful: (isDoubtful: boolean) => void marks.push(isDoubtful),
    };
    let answer = (): void => {};
    const held = new Promise<void>((resolve) => (answer = resolve));
    const sink = {
      name: 'slow',
      async writeEvent({ seq }: { seq: number }) {
        if (seq === 2) await held;
        return { status: 'stored' } as const;
      },
      async close() {},
    };
    const answered: number[] = [];
    const queue = new DeliveryQueue(sink, 1024 * 1024, ({ feed: of, position }) => {
      answered.push(position);
      of?.done(position);
    });
    const feed = new JournalFeed(source, queue, true);
    feed.readAgain();
    await eventually(() => expect(answered).toEqual([1]));
    expect(marks).toEqual([true]);
    answer();
    await eventually(() => expect(marks).toEqual([true, false]));
  });
});
