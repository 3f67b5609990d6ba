import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { SpanledgerError } from '@spanledger/protocol';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openJournal } from '../../src/index.ts';
import type { Journal, JournalOptions } from '../../src/index.ts';
import { segmentNumbers, segmentPath } from '../../src/journal/journal-files.ts';
import { collect, newDirectory, sealedEvent, until } from './journal-support.ts';

const SEGMENT_BYTES = 4096;
const segments = (folder: string) => readdirSync(folder).filter((name) => name.endsWith('.journal'));

async function open(directory: string, options: Partial<JournalOptions> = {}): Promise<Journal> {
  const journal = openJournal({ directory, producer: 'test', segmentBytes: SEGMENT_BYTES, ...options });
  onTestFinished(() => journal.close().catch(() => {}));
  return journal;
}

function write(journal: Journal, count: number, padding = 600) {
  const events = Array.from({ length: count }, (_, i) => sealedEvent(i + 1, padding));
  for (const event of events) expect(journal.append(event).status).toBe('written');
  return events;
}

describe('the journal', () => {
  it('reads back what was appended, in order, over several segments', async () => {
    const journal = await open(await newDirectory());
    const events = write(journal, 50);
    expect(segments(journal.folder).length).toBeGreaterThan(5);
    expect((await collect(journal.read())).map(({ event }) => event)).toEqual(events);
    expect((await collect(journal.read(30))).map(({ position }) => position)[0]).toBe(31);
  });

  it('is readable by its owner only', async () => {
    const journal = await open(path.join(await newDirectory(), 'new'));
    write(journal, 1);
    const mode = (file: string) => statSync(file).mode & 0o777;
    for (const folder of [journal.folder, path.dirname(journal.folder), path.join(journal.folder, '../..')]) {
      expect(mode(folder)).toBe(0o700);
    }
    expect(mode(path.join(journal.folder, segments(journal.folder)[0]!))).toBe(0o600);
  });

  it('tells when an event is on the disk', async () => {
    const journal = await open(await newDirectory());
    write(journal, 20);
    expect(journal.stats.notDurable).toBe(20);
    await journal.whenDurable(20);
    expect(journal.stats.notDurable).toBe(0);
    await expect(journal.whenDurable(21)).rejects.toMatchObject({ code: 'SPANLEDGER_JOURNAL' });
  });

  it('syncs also when nobody waits', async () => {
    const journal = await open(await newDirectory());
    write(journal, 3);
    await until(() => journal.stats.notDurable === 0);
    await expect(journal.whenDurable(3)).resolves.toBeUndefined();
  });

  it('tells for how long something waits, not for how long the file has been there', async () => {
    const journal = await open(await newDirectory());
    write(journal, 2);
    journal.acknowledge(2);
    expect(journal.stats.oldestAgeMs).toBeGreaterThan(0);
    journal.acknowledge(1);
    expect(journal.stats.oldestAgeMs).toBe(0);
    const before = performance.now();
    write(journal, 2);
    expect(journal.stats.oldestAgeMs).toBeLessThanOrEqual(performance.now() - before);
  });

  it('refuses what does not fit into a segment, and goes on', async () => {
    const journal = await open(await newDirectory());
    expect(journal.append(sealedEvent(1, SEGMENT_BYTES))).toMatchObject({ error: { code: 'SPANLEDGER_JOURNAL' } });
    expect(journal.append(sealedEvent(1))).toEqual({ status: 'written', position: 1 });
  });

  it('keeps what is not acknowledged, and removes whole segments of the rest after the retention', async () => {
    const journal = await open(await newDirectory(), { retentionMs: 100 });
    const events = write(journal, 40);
    await journal.whenDurable(40);
    const before = segments(journal.folder).length;
    for (let position = 1; position <= 40; position += 1) if (position !== 10) journal.acknowledge(position);
    expect(segments(journal.folder)).toHaveLength(before);
    await until(() => segments(journal.folder).length < before);
    const left = await collect(journal.read());
    expect(left.find(({ position }) => position === 10)).toMatchObject({ event: events[9], acknowledged: false });
    // Nor is anything after it: whoever reads this must find the end of each run whose beginning is here.
    const first = left[0]!.position;
    expect(left.map(({ position }) => position)).toEqual(Array.from({ length: 41 - first }, (_, i) => first + i));
    journal.acknowledge(10);
    await until(() => segments(journal.folder).length <= 1);
  });

  it('holds acknowledged events for as long as the retention says', async () => {
    const journal = await open(await newDirectory(), { retentionMs: 600_000 });
    write(journal, 40);
    await journal.whenDurable(40);
    for (let position = 1; position <= 40; position += 1) journal.acknowledge(position);
    await journal.close();
    expect(segments(journal.folder).length).toBeGreaterThan(5);
  });

  it('makes room for new events with acknowledged ones, never with others', async () => {
    const journal = await open(await newDirectory(), { maxBytes: 4 * SEGMENT_BYTES, retentionMs: 600_000 });
    let refused: SpanledgerError | undefined;
    let written = 0;
    while (refused === undefined) {
      const outcome = journal.append(sealedEvent(written + 1, 600));
      if (outcome.status === 'refused') refused = outcome.error;
      else written = outcome.position;
    }
    expect(refused.code).toBe('SPANLEDGER_JOURNAL_FULL');
    expect(journal.stats).toMatchObject({ refused: 1, unacknowledged: written });
    expect(journal.stats.bytes).toBeLessThanOrEqual(4 * SEGMENT_BYTES);
    await journal.whenDurable(written);
    expect(await collect(journal.read())).toHaveLength(written);
    for (let position = 1; position <= 5; position += 1) journal.acknowledge(position);
    await until(() => journal.append(sealedEvent(written + 1, 600)).status === 'written');
    expect(journal.stats.bytes).toBeLessThanOrEqual(4 * SEGMENT_BYTES);
    expect((await collect(journal.read())).at(-1)!.position).toBe(written + 1);
  });

  it('leaves nothing behind when there is nothing to keep', async () => {
    const journal = await open(await newDirectory(), { retentionMs: 0 });
    write(journal, 20);
    for (let position = 1; position <= 20; position += 1) journal.acknowledge(position);
    await journal.close();
    expect(readdirSync(path.dirname(journal.folder))).toEqual([]);
    expect(journal.append(sealedEvent(1))).toMatchObject({ error: { code: 'SPANLEDGER_JOURNAL' } });
  });

  it('says once that it cannot save what is acknowledged, and saves it when it can', async () => {
    const problems: SpanledgerError[] = [];
    const journal = await open(await newDirectory(), { onProblem: (problem) => problems.push(problem) });
    write(journal, 5, 0);
    const file = path.join(journal.folder, '0000000001.acks');
    mkdirSync(file);
    journal.acknowledge(1);
    await until(() => problems.length > 0);
    // Any later one has the same timer before it, and is tried when that has come.
    for (let position = 2; position <= 4; position += 1) {
      journal.acknowledge(position);
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    expect(problems).toMatchObject([{ code: 'SPANLEDGER_JOURNAL', cause: { code: 'EISDIR' } }]);
    rmSync(file, { recursive: true });
    journal.acknowledge(5);
    await until(() => existsSync(file));
  });

  it('tells of what it cannot read any more, and reads all the rest', async () => {
    const journal = await open(await newDirectory());
    write(journal, 40);
    await journal.whenDurable(40);
    await journal.close();
    const [first, second] = segments(journal.folder).map((name) => path.join(journal.folder, name));
    const bytes = await readFile(first!);
    bytes[1000] = bytes[1000]! ^ 1;
    await writeFile(first!, bytes);
    rmSync(second!);
    journal.acknowledge(1);
    const lost: number[] = [];
    const read = (await collect(journal.read(0, (positions) => lost.push(...positions)))).map(
      ({ position }) => position,
    );
    expect(lost.length).toBeGreaterThan(2);
    expect([...read, ...lost].sort((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
    for (const position of lost) journal.acknowledge(position);
    await collect(journal.read(0, () => expect.unreachable('it has been told')));
  });

  it('works where a path is too long for a socket, and for any producer', async () => {
    const directory = path.join(await newDirectory(), 'x'.repeat(150));
    mkdirSync(directory);
    const journal = await open(directory, { producer: `../${'é'.repeat(60)}` });
    write(journal, 1);
    expect(path.relative(directory, journal.folder).startsWith('..')).toBe(false);
  });

  it('cannot be opened where no folder can be made', async () => {
    const file = path.join(await newDirectory(), 'file');
    writeFileSync(file, '');
    const code = (expected: string): object => expect.objectContaining({ code: expected });
    expect(() => openJournal({ directory: file, producer: 'p' })).toThrow(code('SPANLEDGER_JOURNAL'));
    expect(() => openJournal({ directory: file, producer: 'p', maxBytes: 1 })).toThrow(code('SPANLEDGER_OPTION'));
  });

  it('works with two segments, and cannot be opened with less', async () => {
    const limits = { producer: 'p', segmentBytes: 4096, retentionMs: 600_000 };
    const directory = await newDirectory();
    expect(() => openJournal({ directory, ...limits, maxBytes: 8191 })).toThrow('8192');
    const journal = openJournal({ directory, ...limits, maxBytes: 8192 });
    onTestFinished(() => journal.close());
    for (let n = 1; n <= 100; n += 1) {
      expect(journal.append(sealedEvent(n, 300)).status).toBe('written');
      journal.acknowledge(n);
      await journal.whenDurable(n);
      expect(journal.stats.bytes).toBeLessThanOrEqual(8192);
    }
  });

  it('goes on in another file where it cannot make the next one', async () => {
    const journal = openJournal({ directory: await newDirectory(), producer: 'p', onProblem: () => {} });
    onTestFinished(() => journal.close());
    writeFileSync(segmentPath(journal.folder, 1), '');
    expect(journal.append(sealedEvent(1)).status).toBe('refused');
    await until(() => journal.append(sealedEvent(2)).status === 'written');
    expect(segmentNumbers(journal.folder)).toEqual([1, 2]);
  });
});

describe('the journal of a dead process', () => {
  it('is adopted with the same bytes, and knows what was acknowledged', async () => {
    const directory = await newDirectory();
    const dead = await open(directory);
    const events = write(dead, 30);
    dead.acknowledge(3);
    await dead.close();
    const journal = await open(directory);
    expect(await journal.adoptable()).toEqual([dead.folder]);
    const adopted = await journal.adopt(dead.folder);
    expect(adopted).toMatchObject({ events: 30, unacknowledged: 29, damages: [], lost: [] });
    const read = await collect(adopted.read());
    expect(read.map(({ event }) => event)).toEqual(events);
    expect(read.filter(({ acknowledged }) => acknowledged).map(({ position }) => position)).toEqual([3]);
    expect(journal.stats.bytes).toBeGreaterThanOrEqual(adopted.bytes);
  });

  it('is removed when all is acknowledged and rested, and remembers acknowledgements when it is not', async () => {
    const directory = await newDirectory();
    const dead = await open(directory);
    write(dead, 10);
    await dead.close();
    const journal = await open(directory, { retentionMs: 0 });
    const first = await journal.adopt(dead.folder);
    for (let position = 1; position < 10; position += 1) first.acknowledge(position);
    await first.close();
    const second = await journal.adopt(dead.folder);
    expect(second.unacknowledged).toBe(1);
    second.acknowledge(10);
    second.markReported();
    await until(() => second.bytes === 0);
    expect(readdirSync(path.dirname(dead.folder))).not.toContain(path.basename(dead.folder));
  });

  it('remembers that its end has been reported', async () => {
    const directory = await newDirectory();
    const dead = await open(directory);
    write(dead, 10);
    await dead.close();
    const journal = await open(directory);
    const first = await journal.adopt(dead.folder);
    expect(first.isReported).toBe(false);
    first.markReported();
    first.markReported();
    expect(first.isReported).toBe(true);
    await first.close();
    const second = await journal.adopt(dead.folder);
    expect(second).toMatchObject({ isReported: true, events: 10, damages: [], lost: [] });
  });

  it('marks nothing in a journal that it has let go of', async () => {
    const directory = await newDirectory();
    const dead = await open(directory);
    write(dead, 1);
    await dead.close();
    const journal = await open(directory, { retentionMs: 0 });
    const first = await journal.adopt(dead.folder);
    await first.close();
    first.markReported();
    const second = await journal.adopt(dead.folder);
    expect(second.isReported).toBe(false);
    second.acknowledge(1);
    second.markReported();
    await until(() => second.bytes === 0);
    second.markReported();
    expect(readdirSync(path.dirname(dead.folder))).toEqual([path.basename(journal.folder)]);
  });

  it('says so when it cannot remember', async () => {
    const directory = await newDirectory();
    const dead = await open(directory);
    write(dead, 1);
    await dead.close();
    const problems: SpanledgerError[] = [];
    const journal = await open(directory, { onProblem: (problem) => problems.push(problem) });
    const adopted = await journal.adopt(dead.folder);
    // Taken away by an administrator, with everything in it.
    rmSync(dead.folder, { recursive: true });
    adopted.markReported();
    expect(adopted.isReported).toBe(true);
    expect(problems).toMatchObject([{ code: 'SPANLEDGER_JOURNAL', cause: { code: 'ENOENT' } }]);
  });

  it('is counted for as long as it is held', async () => {
    const directory = await newDirectory();
    const dead = await open(directory);
    write(dead, 20);
    await dead.close();
    const journal = await open(directory);
    const before = journal.stats.bytes;
    const adopted = await journal.adopt(dead.folder);
    expect(journal.stats.bytes).toBe(before + adopted.bytes);
    await adopted.close();
    expect(journal.stats.bytes).toBe(before);
  });

  it('is not confused with one that is being opened', async () => {
    const directory = await newDirectory();
    const finder = await open(directory, { retentionMs: 0 });
    let opening = true;
    const find = async (): Promise<void> => {
      while (opening) {
        for (const folder of await finder.adoptable()) await finder.adopt(folder).catch(() => {});
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    const finding = find();
    const journals = await Promise.all(Array.from({ length: 50 }, () => open(directory)));
    for (const journal of journals) write(journal, 1);
    opening = false;
    await finding;
    for (const journal of journals) expect(await collect(journal.read())).toHaveLength(1);
  });

  it('is not seen by another producer', async () => {
    const directory = await newDirectory();
    const dead = await open(directory);
    write(dead, 1);
    await dead.close();
    expect(await (await open(directory, { producer: 'other' })).adoptable()).toEqual([]);
  });

  it('is refused while its owner lives, and to all but one that want it', async () => {
    const directory = await newDirectory();
    const [first, second] = [await open(directory), await open(directory)];
    write(first, 1);
    await expect(second.adopt(first.folder)).rejects.toMatchObject({ code: 'SPANLEDGER_JOURNAL_LOCKED' });
    expect(await second.adoptable()).toEqual([]);
    await first.close();
    const many = await Promise.all(Array.from({ length: 8 }, () => open(directory)));
    const results = await Promise.allSettled(many.map((journal) => journal.adopt(first.folder)));
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  it('keeps damaged files aside, says what is lost, and gives the rest', async () => {
    const directory = await newDirectory();
    const dead = await open(directory);
    const events = write(dead, 30);
    await dead.close();
    const file = path.join(dead.folder, segments(dead.folder)[2]!);
    const bytes = await readFile(file);
    bytes[900]! ^= 4;
    await writeFile(file, bytes);
    const journal = await open(directory, { retentionMs: 0 });
    const adopted = await journal.adopt(dead.folder);
    expect(adopted.lost).toHaveLength(1);
    const [{ from, to }] = adopted.lost as [{ from: number; to: number }];
    expect(from).toBe(to);
    expect(adopted.damages).toMatchObject([{ file, kind: 'corrupt' }]);
    const read = await collect(adopted.read());
    expect(read.map(({ event }) => event)).toEqual(events.filter((_, i) => i + 1 !== from));
    const quarantined = readdirSync(path.join(path.dirname(dead.folder), 'quarantine'));
    expect(quarantined).toEqual([`${path.basename(dead.folder)}-${path.basename(file)}`]);
    for (const { position } of read) adopted.acknowledge(position);
    adopted.markReported();
    await until(() => adopted.bytes === 0);
    expect(await journal.adoptable()).toEqual([]);
  });

  it('has not lost what is damaged and was acknowledged, unless in doubt', async () => {
    const directory = await newDirectory();
    const dead = await open(directory);
    write(dead, 40);
    await dead.whenDurable(40);
    for (let position = 2; position <= 40; position += 1) dead.acknowledge(position);
    await dead.close();
    rmSync(path.join(dead.folder, '0000000003.journal'));
    const file = path.join(dead.folder, '0000000001.journal');
    writeFileSync(file, (await readFile(file)).fill(1, 30, 1500));
    const journal = await open(directory);
    const adopted = await journal.adopt(dead.folder);
    expect(adopted.damages).toHaveLength(1);
    expect(adopted.lost).toEqual([{ from: 1, to: 1 }]);
    adopted.markDoubtful(true);
    await adopted.close();
    expect((await journal.adopt(dead.folder)).lost).toEqual([{ from: 1, to: 2 }]);
  });

  it('is not called corrupt for pages that were never synced, only while it could be so', async () => {
    const directory = await newDirectory();
    const journal = await open(directory);
    for (const [wasOpen, kind] of [
      [true, 'unsynced'],
      [false, 'corrupt'],
    ] as const) {
      const dead = await open(directory);
      write(dead, 4);
      await dead.close();
      const file = path.join(dead.folder, segments(dead.folder)[0]!);
      const bytes = await readFile(file);
      bytes.fill(0, 1_024, 1_536);
      await writeFile(file, wasOpen ? Buffer.concat([bytes, Buffer.alloc(64)]) : bytes);
      const adopted = await journal.adopt(dead.folder);
      expect(adopted.damages).toMatchObject([{ kind }]);
      expect(adopted.lost).toEqual([{ from: 2, to: 2 }]);
    }
    expect(readdirSync(path.join(directory, 'test/quarantine'))).toHaveLength(2);
  });

  it('is kept aside with the newest sixteen damaged files', async () => {
    const directory = await newDirectory();
    const journal = await open(directory);
    const damaged: string[] = [];
    for (let i = 0; i < 19; i += 1) {
      const dead = await open(directory);
      write(dead, 3);
      await dead.close();
      const file = path.join(dead.folder, segments(dead.folder)[0]!);
      const bytes = await readFile(file);
      bytes[300]! ^= 1;
      await writeFile(file, bytes);
      await journal.adopt(dead.folder);
      damaged.push(`${path.basename(dead.folder)}-${path.basename(file)}`);
    }
    const kept = readdirSync(path.join(directory, 'test/quarantine'));
    expect(kept.sort()).toEqual(damaged.slice(-16).sort());
  });

  it('is not removed before its end is reported, and not while it is read', async () => {
    const directory = await newDirectory();
    const dead = await open(directory);
    write(dead, 600, 100);
    for (let position = 1; position <= 600; position += 1) dead.acknowledge(position);
    await dead.close();
    const journal = await open(directory, { retentionMs: 0 });
    const unreported = await journal.adopt(dead.folder);
    await unreported.close();
    const adopted = await journal.adopt(dead.folder);
    const reading = adopted.read();
    await reading.next();
    adopted.markReported();
    // More turns of the event loop than a removal takes.
    const other = await open(directory, { producer: 'other' });
    for (let i = 0; i < 20; i += 1) await other.whenDurable(write(other, 1).length + i);
    expect(await collect(reading)).toHaveLength(599);
    await until(() => adopted.bytes === 0);
  });

  it('is removed at its closing too, and at once if there is nothing in it', async () => {
    const directory = await newDirectory();
    const dead = await open(directory);
    write(dead, 1);
    await dead.close();
    const journal = await open(directory, { retentionMs: 0 });
    const adopted = await journal.adopt(dead.folder);
    adopted.acknowledge(1);
    adopted.markReported();
    await adopted.close();
    const empty = path.join(path.dirname(dead.folder), 'empty');
    mkdirSync(empty);
    expect(await journal.adopt(empty)).toMatchObject({ isReported: true, events: 0 });
    await journal.close();
    expect(readdirSync(path.dirname(dead.folder))).toEqual([]);
  });
});
