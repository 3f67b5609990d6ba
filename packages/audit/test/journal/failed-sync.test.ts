import { randomUUID } from 'node:crypto';
import { cpSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { openJournal } from '../../src/index.ts';
import type { Journal } from '../../src/index.ts';
import { files, segmentNumbers, segmentPath } from '../../src/journal/journal-files.ts';
import { collect, newDirectory, sealedEvent, until } from './journal-support.ts';

const SEGMENT_BYTES = 4096;
const PADDING = 600;

/** Three segments, all on the disk, with room for a few more events in the last, and for no fourth. */
async function openFull(): Promise<Journal> {
  const limits = { segmentBytes: SEGMENT_BYTES, maxBytes: 3 * SEGMENT_BYTES, retentionMs: 600_000 };
  const journal = openJournal({ directory: await newDirectory(), producer: 'test', onProblem: () => {}, ...limits });
  onTestFinished(() => journal.close().catch(() => {}));
  while (segmentNumbers(journal.folder).length < 3) {
    await until(() => journal.append(sealedEvent(journal.position + 1, PADDING)).status === 'written');
  }
  await journal.whenDurable(journal.position);
  return journal;
}

/** The next sync fails, as after an EIO. */
function failNextSync(): void {
  const sync = vi.spyOn(files, 'fdatasync').mockRejectedValueOnce(new Error('EIO'));
  onTestFinished(() => sync.mockRestore());
}

/** No other segment can be made: files are there in its place. */
function blockSegments(journal: Journal): string[] {
  const blockers = Array.from({ length: 16 }, (_, i) => segmentPath(journal.folder, 4 + i));
  for (const blocker of blockers) writeFileSync(blocker, '');
  return blockers;
}

/** Appends two events, of which the first is acknowledged. */
function appendTwo(journal: Journal): void {
  for (let n = 1; n <= 2; n += 1) {
    expect(journal.append(sealedEvent(journal.position + 1)).status).toBe('written');
  }
  journal.acknowledge(journal.position - 1);
}

function upTo(last: number): number[] {
  return Array.from({ length: last }, (_, i) => i + 1);
}

async function positionsOf(journal: Journal): Promise<number[]> {
  return (await collect(journal.read())).map(({ position }) => position);
}

describe('after a sync that failed, a journal', () => {
  it('writes again what that left also beyond its bound, and takes events when there is room', async () => {
    const journal = await openFull();
    failNextSync();
    appendTwo(journal);
    await journal.whenDurable(journal.position);
    expect(journal.stats).toMatchObject({ notDurable: 0, unacknowledged: journal.position - 1 });
    expect(await positionsOf(journal)).toEqual(upTo(journal.position));
    expect(journal.stats.bytes).toBeLessThanOrEqual(4 * SEGMENT_BYTES);
    for (const position of upTo(journal.position)) journal.acknowledge(position);
    for (let n = 1; n <= 20; n += 1) {
      await until(() => journal.append(sealedEvent(n, PADDING)).status === 'written');
      journal.acknowledge(journal.position);
    }
    await until(() => journal.stats.bytes <= 3 * SEGMENT_BYTES);
  });

  it('that cannot write it again either gives it to whoever reads, and forgets no acknowledgement', async () => {
    const journal = await openFull();
    const blockers = blockSegments(journal);
    failNextSync();
    appendTwo(journal);
    const { position } = journal;
    const durable = journal.whenDurable(position);
    await expect(durable).rejects.toThrow('could not be synced');
    expect(journal.stats).toMatchObject({ notDurable: 2, unacknowledged: position - 1 });
    expect(journal.append(sealedEvent(1)).status).toBe('refused');
    expect(await positionsOf(journal)).toEqual(upTo(position));
    journal.acknowledge(position);

    for (const blocker of blockers) rmSync(blocker);
    await until(() => journal.stats.notDurable === 0);
    const lastTwo = (await collect(journal.read(position - 2))).map(({ acknowledged }) => acknowledged);
    expect(lastTwo).toEqual([true, true]);
    expect(journal.stats.unacknowledged).toBe(position - 2);
  });

  it('leaves it to the next process when this one ends', async () => {
    const journal = await openFull();
    blockSegments(journal);
    failNextSync();
    appendTwo(journal);
    const durable = journal.whenDurable(journal.position);
    await expect(durable).rejects.toThrow('could not be synced');
    journal.closeNow();

    const copy = path.join(path.dirname(journal.folder), randomUUID());
    cpSync(journal.folder, copy, { recursive: true, filter: (file) => !file.includes('lock-') });
    const directory = path.dirname(path.dirname(journal.folder));
    const next = openJournal({ directory, producer: 'test' });
    onTestFinished(() => next.close());
    const adopted = await next.adopt(copy);
    expect((await collect(adopted.read())).map(({ position }) => position)).toEqual(upTo(journal.position));
    expect(adopted).toMatchObject({ lost: [], unacknowledged: journal.position - 1 });
  });
});
