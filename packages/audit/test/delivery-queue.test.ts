import { createChain, seal } from '@spanledger/protocol';
import type { PendingOutcome, WriteOutcome } from '@spanledger/protocol';
import { expect, it } from 'vitest';
import { DeliveryQueue } from '../src/delivery/delivery-queue.ts';
import type { Delivery } from '../src/delivery/delivery.ts';
import { draft } from './journaled-pipeline.ts';
import { sha256 } from './support.ts';

type Listener = (outcome: WriteOutcome) => void;
const STORED: WriteOutcome = { status: 'stored', streamSeq: 1 };
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Three deliveries that the sink has, and that `answers` answers. */
async function threeWritten(onOutcome: (delivery: Delivery) => void) {
  const answers: Listener[] = [];
  const writeEvent = (): PendingOutcome =>
    // oxlint-disable-next-line unicorn/no-thenable -- What a sink may answer with.
    ({ then: (listener: Listener) => answers.push(listener) });
  const queue = new DeliveryQueue({ name: 'answers', writeEvent, async close() {} }, 1024 * 1024, onOutcome);
  const chain = createChain('run');
  const push = (): void => {
    const event = seal(chain, draft('tool_exec'), 'subject', sha256);
    const place = { feed: undefined, position: 0, again: false, wasStored: false, sent: undefined };
    queue.push({ event, ...place, ticket: 0, outcome: undefined });
  };
  for (let n = 1; n <= 3; n += 1) push();
  await turn();
  return { queue, answers, push };
}

it('tells what is answered in one go in its order, and each once, whatever else a sink says of it', async () => {
  const told: number[] = [];
  const { queue, answers } = await threeWritten(({ event }) => told.push(event.seq));
  for (const i of [2, 0, 2, 1, 0]) answers[i]!(STORED);
  expect(await queue.settled(1_000)).toBe(true);
  answers[1]!(STORED);
  await turn();
  expect(told).toEqual([3, 1, 2]);
  expect(queue).toMatchObject({ events: 0, bytes: 0 });
  expect(queue.heads.of('run')).toMatchObject({ seq: 3 });
});

it('does not take it for progress to be asked for outcomes where there are none', async () => {
  const { queue } = await threeWritten(() => {});
  await new Promise((resolve) => setTimeout(resolve, 5));
  const before = queue.stalledMs;
  queue.settleAnswered();
  expect(queue.stalledMs).toBeGreaterThanOrEqual(before);
});

it('lets nobody who waits for an outcome and throws cost others theirs: what is thrown is uncaught', async () => {
  const told: number[] = [];
  const fault = new Error('of the application');
  const { queue, answers, push } = await threeWritten(({ event: { seq } }) => {
    told.push(seq);
    if (seq === 1) throw fault;
  });
  const others = process.listeners('uncaughtException');
  const uncaught: unknown[] = [];
  process.removeAllListeners('uncaughtException').on('uncaughtException', (error) => uncaught.push(error));
  try {
    for (const answer of answers) answer(STORED);
    expect(await queue.settled(1_000)).toBe(true);
    await turn();
  } finally {
    process.removeAllListeners('uncaughtException');
    for (const other of others) process.on('uncaughtException', other);
  }
  expect(told).toEqual([1, 2, 3]);
  expect(uncaught).toEqual([fault]);
  push();
  await turn();
  answers[3]!(STORED);
  expect(await queue.settled(1_000)).toBe(true);
});
