import { mkdirSync, readdirSync, renameSync, rmdirSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { AuditSink } from '@spanledger/protocol';
import { describe, expect, it, onTestFinished } from 'vitest';
import { DeliveryQueue } from '../../src/delivery/delivery-queue.ts';
import { JournalFeed } from '../../src/delivery/journal-feed.ts';
import { createAuditPipeline, openJournal } from '../../src/index.ts';
import { eventsOf, gateSink, newScope } from '../support.ts';
import { newDirectory, sealedEvent, until } from './journal-support.ts';

const EVENTS = 40;
/** A few events. */
const QUEUE_BYTES = 3_000;

/** Stores, or keeps everybody waiting. */
function switchedSink() {
  const stored: number[] = [];
  let isOpen = false;
  const sink: AuditSink = {
    name: 'switched',
    async writeEvent({ seq }) {
      await until(() => isOpen);
      stored.push(seq);
      return { status: 'stored' };
    },
    async close() {},
  };
  return { sink, stored, open: (value: boolean) => void (isOpen = value) };
}

/** Of 40 events in many segments, which are on the disk, it has read those that the queue has room for. */
async function startFeed(reportLost?: (count: number) => boolean) {
  const journal = openJournal({ directory: await newDirectory(), producer: 'test', segmentBytes: 4096 });
  const { sink, ...ledger } = switchedSink();
  const queue = new DeliveryQueue(sink, QUEUE_BYTES, ({ feed: of, position }) => of!.done(position));
  const feed = new JournalFeed(journal, queue, false, reportLost);
  onTestFinished(async () => {
    ledger.open(true);
    feed.close();
    await journal.close();
  });
  const append = (): void => void journal.append(sealedEvent(journal.position + 1, 600));
  while (journal.position < EVENTS) append();
  await journal.whenDurable(EVENTS);
  const names = readdirSync(journal.folder).filter((name) => name.endsWith('.journal'));
  const middle = path.join(journal.folder, names[Math.floor(names.length / 2)]!);
  feed.readOn();
  await until(() => !queue.hasRoom);
  const emit = (): void => {
    append();
    feed.appended(sealedEvent(journal.position, 600), journal.position);
  };
  return { journal, feed, queue, ledger, middle, emit };
}

describe('a feed whose journal', () => {
  it('is damaged says how many events are lost, until that is kept, and gives the rest', async () => {
    const reports: number[] = [];
    let isKept = false;
    const { journal, feed, ledger, middle } = await startFeed((count) => reports.push(count) > 0 && isKept);
    await writeFile(middle, (await readFile(middle)).fill(1, 30, 1500));
    ledger.open(true);
    await feed.whenDone();
    expect(reports).toEqual([2]);
    expect(journal.stats.unacknowledged).toBe(2);
    expect(ledger.stored).toHaveLength(EVENTS - 2);
    isKept = true;
    for (let times = 1; times <= 2; times += 1) {
      feed.readAgain();
      await feed.whenDone();
    }
    expect(reports).toEqual([2, 2]);
    expect(journal.stats.unacknowledged).toBe(0);
  });

  it('cannot be read for a while gives each event once, whatever comes meanwhile', async () => {
    const { journal, feed, queue, ledger, middle, emit } = await startFeed();
    // A folder in its place cannot be read, as a bad sector cannot.
    renameSync(middle, `${middle}.aside`);
    mkdirSync(middle);
    emit(); // It is held, for when those before it have been read.
    ledger.open(true);
    await until(() => feed.hasFailed && queue.events === 0);
    ledger.open(false);
    while (queue.hasRoom) emit();
    emit(); // It waits on the disk.
    rmdirSync(middle);
    renameSync(`${middle}.aside`, middle);
    ledger.open(true);
    await feed.whenDone();
    const all = Array.from({ length: journal.position }, (_, i) => i + 1);
    expect(ledger.stored.toSorted((a, b) => a - b)).toEqual(all);
  });
});

it('lets the pipeline report what the journal of a living process has lost', async () => {
  const journal = openJournal({ directory: await newDirectory(), producer: 'test', segmentBytes: 64 * 1024 });
  const sink = gateSink();
  const pipeline = createAuditPipeline({ producer: 'test', sink, journal, queueMaxBytes: 1024 * 1024 });
  onTestFinished(() => pipeline.shutdown());
  const scope = newScope();
  for (let n = 0; n < 4_000; n += 1) pipeline.emit(scope, { event: 'tool_exec', fields: { pad: 'x'.repeat(600) } });
  await journal.whenDurable(journal.position);
  const names = readdirSync(journal.folder).filter((name) => name.endsWith('.journal'));
  const file = path.join(journal.folder, names[Math.floor(names.length * 0.4)]!); // Those before it and the newest are in memory.
  await writeFile(file, (await readFile(file)).fill(1, 2_000, 2_010));
  sink.open();
  await until(() => journal.position > 4_000 && journal.stats.unacknowledged === 0);
  const losses = eventsOf(sink.stored).filter(({ event }) => event === 'audit_loss');
  const fields = { reason: 'journal_damaged', count: 1, journal: path.basename(journal.folder) };
  expect(losses).toMatchObject([{ run_id: pipeline.instance.run.id, fields }]);
  expect(eventsOf(sink.stored, scope.run.id)).toHaveLength(3_999);
});
