import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openJournal } from '../../src/index.ts';
import { JournalProcess, collect, newDirectory, sealedEvent, until, works } from './journal-support.ts';

const EVENTS = 40;

/** One thread for the disk: strace counts the calls of each. */
function strace(log: string, ...injections: string[]): string[] {
  const inject = injections.flatMap((one) => ['-e', `inject=${one}`]);
  return ['env', 'UV_THREADPOOL_SIZE=1', 'strace', '-f', '-qq', '-o', log, '-e', 'trace=fdatasync,pwrite64', ...inject];
}

/** Runs it to its end, or kills it when it is ready; and what a later process finds of it. */
async function runAndFind(injections: readonly string[], how = '') {
  const directory = await newDirectory();
  const log = path.join(directory, 'strace');
  const command = strace(log, ...injections);
  const process = new JournalProcess('journal-sync.mjs', [directory, `${EVENTS}`, how], command);
  await (how === 'close' ? process.ended : process.says('ready'));
  await process.kill();
  const folder = /folder (.*)/.exec(process.stdout)![1]!;
  const refused = [...process.stdout.matchAll(/^refused (\d+) (.*)$/gm)];
  const journal = openJournal({ directory, producer: 'test', segmentBytes: 65_536 });
  onTestFinished(() => journal.close());
  await until(async () => (await journal.adoptable()).includes(folder));
  const adopted = await journal.adopt(folder);
  const seqs = (await collect(adopted.read())).map(({ event }) => event.seq);
  const refusedSeqs = new Set(refused.map(([, seq]) => Number(seq)));
  const accepted = Array.from({ length: EVENTS }, (_, i) => i + 1).filter((seq) => !refusedSeqs.has(seq));
  const injected = readFileSync(log, 'utf8').split('(INJECTED)').length - 1;
  return { injected, said: process.stdout, adopted, seqs, accepted, codes: new Set(refused.map(([, , code]) => code)) };
}

describe.skipIf(!works('strace', '-V'))('a disk that fails', () => {
  it('in a write costs no event: it goes into another file', async () => {
    const { said, adopted, seqs, accepted } = await runAndFind(['pwrite64:error=EIO:when=9']);
    expect(said).toContain('problem SPANLEDGER_JOURNAL EIO');
    expect(accepted).toHaveLength(EVENTS);
    expect(seqs).toEqual(accepted);
    expect(adopted).toMatchObject({ lost: [], damages: [] });
  });

  it('in every write has each event refused, and nothing thrown', async () => {
    const { seqs, accepted, codes } = await runAndFind(['pwrite64:error=EIO:when=12+']);
    expect(codes).toEqual(new Set(['SPANLEDGER_JOURNAL']));
    expect(accepted.length).toBeLessThan(EVENTS / 2);
    expect(seqs).toEqual(accepted);
  });

  it('that is full is left alone for a while: not every event costs a write that fails', async () => {
    const { injected, seqs, accepted, codes } = await runAndFind(['pwrite64:error=ENOSPC:when=12+']);
    expect(codes).toEqual(new Set(['SPANLEDGER_JOURNAL_FULL']));
    expect(injected).toBeLessThan((EVENTS - accepted.length) / 2);
    expect(seqs).toEqual(accepted);
  });

  it('in a sync, and then where it is written again, loses nothing that was accepted', async () => {
    // The second sync fails. Before it the main thread writes nine times; then a header, and the first frame again.
    const failing = ['fdatasync:error=EIO:when=2', 'pwrite64:error=EIO:when=11..12'];
    const { said, adopted, seqs, accepted } = await runAndFind(failing);
    expect(said).toContain('problem SPANLEDGER_JOURNAL EIO');
    expect(seqs).toEqual(accepted);
    expect(adopted.lost).toEqual([]);
    expect(accepted.at(-1)).toBe(EVENTS);
    // It recovers: what came later is on the disk.
    expect(said).toContain(`durable ${EVENTS - 3}\n`);
  });

  it('in every sync says so at the end, and removes nothing', async () => {
    const { said, adopted, seqs, accepted } = await runAndFind(['fdatasync:error=EIO:when=1+'], 'close');
    expect(said).toContain('closed SPANLEDGER_JOURNAL\n');
    expect(seqs).toEqual(accepted);
    expect(adopted.lost).toEqual([]);
  });

  it('in every sync and every write after it does the same', async () => {
    const failing = ['fdatasync:error=EIO:when=2+', 'pwrite64:error=EIO:when=10+'];
    const { said, adopted, seqs, accepted, codes } = await runAndFind(failing, 'close');
    expect(said).toContain('closed SPANLEDGER_JOURNAL\n');
    expect(codes).toEqual(new Set(['SPANLEDGER_JOURNAL']));
    expect(accepted.length).toBeGreaterThan(3);
    expect(seqs).toEqual(accepted);
    expect(adopted.lost).toEqual([]);
  });
});

it('keeps at most 64 MiB that are not synced', async () => {
  const MIB = 1024 * 1024;
  const journal = openJournal({ directory: await newDirectory(), producer: 'test', retentionMs: 0 });
  onTestFinished(() => journal.close());
  const event = { ...sealedEvent(1), bytes: new Uint8Array(MIB).fill(32) };
  // In one turn of the event loop no sync can end.
  const outcomes = Array.from({ length: 66 }, () => journal.append(event));
  expect(outcomes.filter(({ status }) => status === 'written')).toHaveLength(64);
  expect(outcomes.at(-1)).toMatchObject({ error: { code: 'SPANLEDGER_JOURNAL_FULL' } });
  expect(journal.stats).toMatchObject({ notDurable: 64, refused: 2 });
  await journal.whenDurable(64);
  expect(journal.append(event)).toEqual({ status: 'written', position: 65 });
});
