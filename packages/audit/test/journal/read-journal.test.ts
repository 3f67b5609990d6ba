import { readFile, readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, it } from 'vitest';
import { openJournal, readJournal } from '../../src/index.ts';
import { sha256 } from '../support.ts';
import { collect, newDirectory, sealedEvent } from './journal-support.ts';

async function contentsOf(folder: string): Promise<Record<string, string>> {
  const names = (await readdir(folder)).filter((name) => !name.startsWith('lock-'));
  const entries = names.map(async (name) => [name, sha256(await readFile(path.join(folder, name)))]);
  return Object.fromEntries(await Promise.all(entries)) as Record<string, string>;
}

it('reads a journal beside its living owner, and changes nothing in it', async () => {
  const journal = openJournal({ directory: await newDirectory(), producer: 'svc', segmentBytes: 4096 });
  const events = Array.from({ length: 40 }, (_, index) => sealedEvent(index + 1, 300, 'run-1'));
  for (const event of events) journal.append(event);
  await journal.whenDurable(journal.position);
  const before = await contentsOf(journal.folder);

  const contents = await readJournal(journal.folder);
  const records = await collect(contents.records());
  expect(records.map(({ bytes }) => Buffer.from(bytes).toString())).toEqual(
    events.map(({ bytes }) => Buffer.from(bytes).toString()),
  );
  expect(records.map(({ streamSeq }) => streamSeq)).toEqual(events.map(({ seq }) => seq));
  expect(records[0]!.subject).toBe(events[0]!.subject);
  expect(contents).toMatchObject({ events: 40, isWhole: true, damages: [], lost: [] });

  expect(await contentsOf(journal.folder)).toEqual(before);
  expect(journal.append(sealedEvent(41, 0, 'run-1'))).toHaveProperty('position', 41);
  await journal.close();
});

it('says what is damaged, and that segments have been removed', async () => {
  const journal = openJournal({ directory: await newDirectory(), producer: 'svc', segmentBytes: 4096 });
  for (let seq = 1; seq <= 60; seq += 1) journal.append(sealedEvent(seq, 300, 'run-1'));
  await journal.close();
  const segments = (await readdir(journal.folder)).filter((name) => /^\d+\.journal$/.test(name)).sort();
  await rm(path.join(journal.folder, segments[0]!));
  const second = path.join(journal.folder, segments[1]!);
  const bytes = await readFile(second);
  bytes[200]! ^= 0xff;
  await writeFile(second, bytes);

  const contents = await readJournal(journal.folder);
  expect(contents.isWhole).toBe(false);
  expect(contents.damages).toMatchObject([{ kind: 'corrupt', file: second }]);
  expect(contents.lost).toHaveLength(1);
  expect((await collect(contents.records())).length).toBe(contents.events);
});

it('refuses what is no journal', async () => {
  const directory = await newDirectory();
  await expect(readJournal(directory)).rejects.toMatchObject({ code: 'SPANLEDGER_JOURNAL' });
  await expect(readJournal(path.join(directory, 'nowhere'))).rejects.toMatchObject({ code: 'SPANLEDGER_JOURNAL' });
});
