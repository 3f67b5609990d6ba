import type { SealedEvent, WriteOutcome } from '@spanledger/protocol';
import { expect, it } from 'vitest';
import { PendingWrite } from '../src/pending-write.ts';

const STORED: WriteOutcome = { status: 'stored', streamSeq: 1 };
const pending = (): PendingWrite => new PendingWrite({ seq: 1 } as SealedEvent, false);

it('is awaited by anybody, before its answer and after it', async () => {
  const write = pending();
  const [before, other] = [Promise.resolve(write), (async () => write)()];
  // Both have asked.
  await new Promise((resolve) => setImmediate(resolve));
  write.answer(STORED);
  expect([await before, await other, await write]).toEqual([STORED, STORED, STORED]);
});

it('tells its listeners once, in the order in which they came, in the turn of the answer', () => {
  const write = pending();
  const told: string[] = [];
  for (const name of ['first', 'second', 'third']) write.then(({ status }) => told.push(`${name} ${status}`));
  write.answer(STORED);
  expect(told).toEqual(['first stored', 'second stored', 'third stored']);
});

it('calls nobody before they have asked', async () => {
  const write = pending();
  write.answer(STORED);
  let isAsked = false;
  const asked = new Promise((resolve) => write.then(() => resolve(isAsked)));
  isAsked = true;
  expect(await asked).toBe(true);
});

it('lets no listener that throws harm who answers, or another listener: what it throws is uncaught', async () => {
  const write = pending();
  const faults = ['first', 'second'].map((name) => new Error(name));
  const told: string[] = [];
  for (const fault of faults) {
    write.then(({ status }) => {
      told.push(status);
      throw fault;
    });
  }
  write.then(({ status }) => told.push(status));
  expect(await uncaughtOf(() => write.answer(STORED))).toEqual(faults);
  expect(told).toEqual(['stored', 'stored', 'stored']);
});

/** What comes to the process from `action`, in place of whoever listens there. */
async function uncaughtOf(action: () => void): Promise<unknown[]> {
  const uncaught: unknown[] = [];
  const others = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', (error) => uncaught.push(error));
  try {
    action();
    await new Promise((resolve) => setImmediate(resolve));
    return uncaught;
  } finally {
    process.removeAllListeners('uncaughtException');
    for (const other of others) process.on('uncaughtException', other);
  }
}
