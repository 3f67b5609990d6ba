import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createAuditPipeline, memorySink, openJournal } from '../../src/index.ts';
import type { Journal } from '../../src/index.ts';
import { eventsOf, gateSink, newScope } from '../support.ts';
import { newDirectory, sealedEvent, until } from './journal-support.ts';

async function open(directory?: string): Promise<Journal> {
  const journal = openJournal({ directory: directory ?? (await newDirectory()), producer: 'ends' });
  onTestFinished(() => journal.close());
  return journal;
}

describe('closeNow', () => {
  it('saves what was acknowledged and cuts off what it did not use, in one turn; it writes no more', async () => {
    const journal = await open();
    for (let n = 1; n <= 3; n += 1) expect(journal.append(sealedEvent(n)).status).toBe('written');
    journal.acknowledge(1);
    await journal.whenDurable(3);
    journal.closeNow();
    expect(statSync(path.join(journal.folder, '0000000001.journal')).size).toBeLessThan(4096);
    expect(readdirSync(journal.folder).sort()).toEqual(['0000000001.acks', '0000000001.journal', 'lock-1']);
    expect(journal.append(sealedEvent(4)).status).toBe('refused');
    const read: unknown[] = [];
    for await (const { position, acknowledged } of journal.read()) read.push([position, acknowledged]);
    expect(read).toEqual([
      [1, true],
      [2, false],
      [3, false],
    ]);
  });

  it('does nothing after close', async () => {
    const journal = await open();
    await journal.close();
    expect(() => journal.closeNow()).not.toThrow();
  });
});

describe('looking for dead journals in the background', () => {
  it('finds what one finds otherwise, and stops when it is told to', async () => {
    const directory = await newDirectory();
    for (let n = 1; n <= 3; n += 1) {
      const dead = await open(directory);
      dead.append(sealedEvent(n));
      await dead.close();
    }
    const journal = await open(directory);
    const all = await journal.adoptable();
    expect(all).toHaveLength(3);
    expect(await journal.adoptable(new AbortController().signal)).toEqual(all);
    expect(await journal.adoptable(AbortSignal.abort())).toEqual([]);
  });
});

describe('a pipeline whose process ends', () => {
  it('keeps what is emitted until the very end, for the next process', async () => {
    const directory = await newDirectory();
    const journal = await open(directory);
    const sink = gateSink(); // It stores nothing.
    const pipeline = createAuditPipeline({ producer: 'ends', sink, journal });
    const scope = newScope();
    const emitted = ['before', 'while_ending', 'afterwards'];
    pipeline.emit(scope, { event: 'before' });
    const ended = pipeline.shutdown(100, { leaveJournal: true });
    pipeline.emit(scope, { event: 'while_ending' });
    await ended;
    expect(pipeline.emit(scope, { event: 'afterwards' })).toBeDefined();
    journal.closeNow();
    await journal.close();

    const stored = memorySink();
    const next = createAuditPipeline({ producer: 'ends', sink: stored, journal: await open(directory) });
    await until(() => eventsOf(stored, scope.run.id).length === emitted.length);
    expect(eventsOf(stored, scope.run.id).map(({ event }) => event)).toEqual(emitted);
    await next.shutdown();
  });
});
