import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openJournal } from '../../src/index.ts';
import { JournalProcess, collect, newDirectory, sealedEvent, until, works } from './journal-support.ts';

const open = async (directory: string, retentionMs = 0) => {
  const journal = openJournal({ directory, producer: 'test', segmentBytes: 65_536, retentionMs });
  onTestFinished(() => journal.close().catch(() => {}));
  return journal;
};

describe('a process that is killed', () => {
  it('has lost nothing that was accepted in a synchronous burst, 20 times', async () => {
    let accepted = 0;
    for (let round = 0; round < 20; round += 1) {
      const directory = await newDirectory();
      const process = new JournalProcess('journal-burst.mjs', [directory]);
      const target = 200 + Math.floor(Math.random() * 20_000);
      await until(() => process.stdout.length > target);
      await process.kill();
      const lines = process.stdout.split('\n').slice(0, -1);
      const journal = await open(directory);
      const adopted = await journal.adopt((await journal.adoptable())[0]!);
      const events = await collect(adopted.read());
      expect(events.slice(0, lines.length).map(({ position, event }) => `${position} ${event.hash}`)).toEqual(lines);
      // The one whose append had not returned, at most, and what the pipe did not take any more.
      expect(events.length - lines.length).toBeLessThanOrEqual(1);
      expect(adopted.lost).toEqual([]);
      expect(adopted.damages.filter(({ kind }) => kind === 'corrupt')).toEqual([]);
      for (const { position } of events) adopted.acknowledge(position);
      adopted.markReported();
      await until(() => adopted.bytes === 0);
      accepted += lines.length;
    }
    expect(accepted).toBeGreaterThan(1_000);
  });
});

describe('a process that is killed again and again', () => {
  it('leaves what it wrote, and no room that it had not used', async () => {
    const directory = await newDirectory();
    for (let round = 0; round < 3; round += 1) {
      const process = new JournalProcess('journal-sync.mjs', [directory, '4']);
      await process.says('ready');
      await process.kill();
    }
    const journal = await open(directory, 600_000);
    const adopted = await Promise.all((await journal.adoptable()).map((folder) => journal.adopt(folder)));
    expect(adopted.map(({ events }) => events)).toEqual([4, 4, 4]);
    for (const { bytes } of adopted) expect(bytes).toBeLessThan(2_000);
    expect(journal.stats.bytes).toBeLessThan(6_000);
  });
});

describe('a process that lives', () => {
  it('keeps its journal from others, stopped or not, and no longer than it lives', async () => {
    const directory = await newDirectory();
    const process = new JournalProcess('journal-sync.mjs', [directory, '4']);
    await process.says('ready');
    const folder = /folder (.*)/.exec(process.stdout)![1]!;
    const journal = await open(directory);
    await expect(journal.adopt(folder)).rejects.toMatchObject({ code: 'SPANLEDGER_JOURNAL_LOCKED' });
    process.child.kill('SIGSTOP');
    expect(await journal.adoptable()).toEqual([]);
    await expect(journal.adopt(folder)).rejects.toMatchObject({ code: 'SPANLEDGER_JOURNAL_LOCKED' });
    await process.kill();
    expect(await journal.adoptable()).toEqual([folder]);
    expect((await journal.adopt(folder)).events).toBe(4);
  });

  it('has a journal for each worker thread', async () => {
    const directory = await newDirectory();
    const process = new JournalProcess('journal-sync.mjs', [directory, '4', 'worker']);
    await until(() => process.stdout.split('ready').length === 3);
    await process.kill();
    expect(await (await open(directory)).adoptable()).toHaveLength(2);
  });

  it.skipIf(!works('unshare', '--mount', '--pid', '--net', '--fork', 'true'))(
    'is seen from another container',
    async () => {
      const directory = await newDirectory();
      const container = ['unshare', '--mount', '--pid', '--net', '--fork', '--kill-child'];
      const process = new JournalProcess('journal-sync.mjs', [directory, '4'], container);
      await process.says('ready');
      const folder = /folder (.*)/.exec(process.stdout)![1]!;
      const journal = await open(directory);
      expect(await journal.adoptable()).toEqual([]);
      await process.kill();
      await until(async () => (await journal.adoptable()).includes(folder));
    },
  );
});

describe.skipIf(!works('strace', '-V'))('a disk that fails a sync', () => {
  const strace = (file: string, inject: string) =>
    `env UV_THREADPOOL_SIZE=1 strace -f -qq -o ${file} -e trace=fdatasync -e inject=fdatasync:error=EIO:${inject}`.split(
      ' ',
    );

  it('is not asked again: what it had is written and synced elsewhere', async () => {
    const directory = await newDirectory();
    const log = path.join(directory, 'strace');
    const process = new JournalProcess('journal-sync.mjs', [directory, '40'], strace(log, 'when=6'));
    await process.says('ready');
    for (let seq = 1; seq <= 40; seq += 4) expect(process.stdout).toContain(`durable ${seq}\n`);
    expect(process.stdout).toContain('problem SPANLEDGER_JOURNAL EIO');
    expect(process.stdout).not.toContain('not durable');
    const calls = readFileSync(log, 'utf8')
      .split('\n')
      .filter((line) => line.includes('fdatasync('));
    const failedAt = calls.findIndex((line) => line.includes('EIO'));
    const descriptor = /fdatasync\((\d+)/;
    expect(descriptor.exec(calls[failedAt + 1]!)![1]).not.toBe(descriptor.exec(calls[failedAt]!)![1]);
    const folder = /folder (.*)/.exec(process.stdout)![1]!;
    await process.kill();
    const journal = await open(directory);
    await until(async () => (await journal.adoptable()).length === 1);
    const adopted = await journal.adopt(folder);
    expect(adopted).toMatchObject({ events: 40, lost: [], damages: [] });
    const seqs = (await collect(adopted.read())).map(({ event }) => event.seq);
    expect(seqs).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
  });

  it('never says that an event is durable when every sync fails', async () => {
    const directory = await newDirectory();
    const log = path.join(directory, 'strace');
    const process = new JournalProcess('journal-sync.mjs', [directory, '8'], strace(log, 'when=1+'));
    await process.says('ready');
    expect(process.stdout).not.toMatch(/^durable/m);
    expect(process.stdout).toContain('not durable 1 SPANLEDGER_JOURNAL');
    // And a kill still loses nothing that was accepted.
    const refused = new Set([...process.stdout.matchAll(/^refused (\d+)/gm)].map(([, seq]) => Number(seq)));
    const folder = /folder (.*)/.exec(process.stdout)![1]!;
    await process.kill();
    const journal = await open(directory);
    await until(async () => (await journal.adoptable()).includes(folder));
    const adopted = await journal.adopt(folder);
    expect(adopted.lost).toEqual([]);
    const seqs = (await collect(adopted.read())).map(({ event }) => event.seq);
    expect(seqs).toEqual([1, 2, 3, 4, 5, 6, 7, 8].filter((seq) => !refused.has(seq)));
  });
});

const canMount = (): boolean => {
  const place = mkdtempSync(path.join(tmpdir(), 'journal-mount-'));
  const mounted = works('mount', '-t', 'tmpfs', '-o', 'size=64k', 'none', place);
  if (mounted) works('umount', place);
  rmSync(place, { recursive: true, force: true });
  return mounted;
};

describe.skipIf(!canMount())('a disk that is full', () => {
  it('refuses events with a code, hides none of those before or after, and goes on when it has room', async () => {
    const directory = await newDirectory();
    const disk = path.join(directory, 'disk');
    mkdirSync(disk);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=400k', 'none', disk]);
    onTestFinished(() => void works('umount', '-l', disk));
    const ballast = path.join(disk, 'ballast');
    writeFileSync(ballast, Buffer.alloc(100_000));
    const dead = await open(disk, 600_000);
    const written: string[] = [];
    const append = (seq: number): string => {
      const event = sealedEvent(seq, 1_500);
      const outcome = dead.append(event);
      if (outcome.status === 'written') written.push(event.hash);
      return outcome.status === 'written' ? 'written' : outcome.error.code;
    };
    const outcomes = Array.from({ length: 400 }, (_, i) => append(i + 1));
    expect(outcomes.filter((outcome) => outcome === 'SPANLEDGER_JOURNAL_FULL').length).toBeGreaterThan(50);
    expect(new Set(outcomes)).toEqual(new Set(['written', 'SPANLEDGER_JOURNAL_FULL']));
    expect(dead.stats.refused).toBe(400 - written.length);
    rmSync(ballast);
    await until(() => append(1_000) === 'written');
    await dead.whenDurable(dead.position);
    await dead.close();
    const journal = await open(disk);
    const adopted = await journal.adopt(dead.folder);
    expect(adopted.lost).toEqual([]);
    expect((await collect(adopted.read())).map(({ event }) => event.hash)).toEqual(written);
    await adopted.close();
    await journal.close();
  });
});
