import type { SealedEvent } from '@spanledger/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PendingWrite } from '../src/pending-write.ts';
import { PublishQueue } from '../src/publish-queue.ts';

const write = (seq: number) => new PendingWrite({ seq } as SealedEvent, false);
const WINDOW = 8;

describe('PublishQueue', () => {
  it('publishes in order, never more than the window, and gives no token twice, whatever happens', () => {
    const commands = fc.array(
      fc.oneof(
        fc.record({ kind: fc.constant('push' as const), count: fc.integer({ min: 1, max: 3_000 }) }),
        fc.record({ kind: fc.constant('publish' as const) }),
        fc.record({ kind: fc.constant('answer' as const), pick: fc.nat() }),
        fc.record({ kind: fc.constant('goBack' as const) }),
        fc.record({ kind: fc.constant('requeue' as const) }),
      ),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(commands, (list) => {
        const queue = new PublishQueue();
        let open: number[] = [];
        const tokens = new Map<number, number>();
        let nextSeq = 1;
        let inFlight: number[] = [];
        for (const command of list) {
          if (command.kind === 'push') {
            for (let i = 0; i < command.count; i += 1) {
              open.push(nextSeq);
              queue.push(write(nextSeq++));
            }
          } else if (command.kind === 'publish') {
            for (let token = queue.advance(WINDOW); token >= 0; token = queue.advance(WINDOW)) {
              const { seq } = queue.get(token)!.event;
              expect(tokens.get(token) ?? seq).toBe(seq);
              tokens.set(token, seq);
              inFlight.push(token);
            }
            const published = inFlight.map((token) => queue.get(token)!.event.seq);
            expect(published).toEqual(open.slice(0, published.length));
            expect(published.length).toBeLessThanOrEqual(WINDOW);
          } else if (command.kind === 'answer' && inFlight.length > 0) {
            const [token] = inFlight.splice(command.pick % inFlight.length, 1);
            const { seq } = queue.remove(token!)!.event;
            open = open.filter((other) => other !== seq);
            expect(queue.remove(token!)).toBeUndefined();
          } else if (command.kind === 'goBack') {
            queue.goBack();
            inFlight = [];
          } else if (command.kind === 'requeue') {
            queue.requeue([]);
            inFlight = [];
          }
          expect(queue.size).toBe(open.length);
          expect(queue.inFlight).toBe(inFlight.length > 0);
        }
        expect(queue.removeWhere(() => true).map(({ event }) => event.seq)).toEqual(open);
      }),
    );
  });

  it('takes out what matches, and puts it in front again', () => {
    const queue = new PublishQueue();
    for (let seq = 1; seq <= 6; seq += 1) queue.push(write(seq));
    const even = queue.removeWhere(({ seq }) => seq % 2 === 0);
    expect(queue.size).toBe(3);
    queue.requeue(even);
    const order: number[] = [];
    for (let token = queue.advance(9); token >= 0; token = queue.advance(9)) order.push(queue.get(token)!.event.seq);
    expect(order).toEqual([2, 4, 6, 1, 3, 5]);
  });
});
