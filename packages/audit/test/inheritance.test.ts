import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { GENESIS_HASH, createChain, parseEvent, seal } from '@spanledger/protocol';
import type { AuditSink, Chain, SealedEvent } from '@spanledger/protocol';
import { describe, expect, it } from 'vitest';
import { DeliveryQueue } from '../src/delivery/delivery-queue.ts';
import { InheritedJournal } from '../src/instance/inherited-journal.ts';
import { memorySink } from '../src/index.ts';
import type { Journal, MemorySink } from '../src/index.ts';
import { draft, journalIn, namesOf, newDirectory, pipelineWith } from './journaled-pipeline.ts';
import { eventsOf, eventually, gateSink, lossesOf, newScope, sha256, walkRun } from './support.ts';

/** The next events of a run of a dead process. */
function next(chain: Chain, count: number, fields?: SealFields): SealedEvent[] {
  const event = fields === undefined ? draft('tool_exec') : { ...draft('audit_loss'), fields };
  return Array.from({ length: count }, () => seal(chain, event, 'auditEvent.-.-.svc', sha256));
}
type SealFields = Record<string, string | number>;

function newRun(): Chain {
  return createChain(crypto.randomUUID());
}

function append(journal: Journal, events: readonly SealedEvent[]): void {
  for (const event of events) journal.append(event);
}

/** Changes one byte of an event's frame. */
function damage(folder: string, { bytes }: SealedEvent): void {
  const name = readdirSync(folder).find((file) => file.endsWith('.journal'))!;
  const file = readFileSync(path.join(folder, name));
  file[file.indexOf(bytes) + 10]! ^= 1;
  writeFileSync(path.join(folder, name), file);
}

function countOf(sink: MemorySink, event: string): number {
  return namesOf(sink).filter((name) => name === event).length;
}

/** What a process publishes that adopts what is in the directory, up to the end of so many runs. */
async function adopt(directory: string, abandoned = 1): Promise<MemorySink> {
  const sink = memorySink();
  const pipeline = pipelineWith({ sink, journal: journalIn(directory) });
  await eventually(() => expect(countOf(sink, 'run_abandoned')).toBeGreaterThanOrEqual(abandoned));
  await pipeline.shutdown();
  return sink;
}

describe('what is not in the journal of a dead process', () => {
  it('is reported by its numbers, in the middle of a run and at its begin', async () => {
    const directory = newDirectory();
    const journal = journalIn(directory);
    const [a, b] = [newRun(), newRun()];
    // The journal refuses some, which are then in memory only.
    append(journal, next(a, 3));
    const before = a.head;
    const last = next(a, 4).at(-1)!.hash;
    append(journal, next(a, 2));
    const lost = next(b, 2);
    append(journal, next(b, 2));
    await journal.close();

    const sink = await adopt(directory);
    const reason = 'not_journaled';
    const losses = [
      { run_id: a.runId, first_seq: 4, prev_hash: before, last_seq: 7, last_hash: last, reason, count: 4 },
      {
        run_id: b.runId,
        first_seq: 1,
        prev_hash: GENESIS_HASH,
        last_seq: 2,
        last_hash: lost[1]!.hash,
        reason,
        count: 2,
      },
    ];
    expect(lossesOf(sink)).toEqual(losses);
    expect(walkRun(sink, a.runId)).toEqual({ events: 5, lost: 4 });
    expect(walkRun(sink, b.runId)).toEqual({ events: 2, lost: 2 });
  });

  it('is not reported again if its own process has, nor if it was removed after it was acknowledged', async () => {
    const directory = newDirectory();
    const journal = journalIn(directory, { segmentBytes: 65_536, maxBytes: 3 * 65_536 });
    const [reported, long, instance] = [newRun(), newRun(), newRun()];
    append(journal, next(reported, 3));
    next(reported, 4);
    append(journal, next(reported, 1));
    const names = { run_id: reported.runId, reason: 'journal_full', prev_hash: 'a', last_hash: 'b' };
    append(journal, next(instance, 1, { ...names, first_seq: 4, last_seq: 5, count: 2 }));
    append(journal, next(instance, 1, { ...names, first_seq: 6, last_seq: 7, count: 2 }));
    await journal.close();
    const removed = journalIn(directory, { segmentBytes: 65_536, maxBytes: 4 * 65_536 });
    const segments = (): string[] => readdirSync(removed.folder).filter((file) => file.endsWith('.journal'));
    append(removed, next(long, 1));
    const [first] = segments();
    while (segments().includes(first!)) {
      append(removed, next(long, 10));
      await removed.whenDurable(removed.position);
      for (let position = 1; position < removed.position; position += 1) removed.acknowledge(position);
    }
    await removed.close();
    const sink = await adopt(directory, 2);
    expect(lossesOf(sink).filter(({ reason }) => reason !== 'journal_full')).toEqual([]);
  });

  it('does not hide what a damaged journal has lost', async () => {
    const directory = newDirectory();
    const journal = journalIn(directory);
    const [a, b, c] = [newRun(), newRun(), newRun()];
    append(journal, next(a, 3));
    next(a, 4);
    append(journal, next(a, 2));
    const [ofB, ofC] = [next(b, 3), next(c, 2)];
    append(journal, [...ofB, ...ofC, ...next(a, 1)]);
    await journal.close();
    damage(journal.folder, ofB[1]!);
    // Nothing of that run comes after it: what was lost has no number.
    damage(journal.folder, ofC[1]!);

    const sink = await adopt(directory);
    expect(
      lossesOf(sink).map(({ run_id, first_seq, last_seq, reason, count }) => [
        run_id,
        first_seq,
        last_seq,
        reason,
        count,
      ]),
    ).toEqual([
      [a.runId, 4, 7, 'not_journaled', 4],
      [b.runId, 2, 2, 'journal_damaged', 1],
      [undefined, undefined, undefined, 'journal_damaged', 1],
    ]);
  });
});

describe('several dead processes', () => {
  it('do not wait for an event that gets no answer', async () => {
    const directory = newDirectory();
    for (const event of ['a', 'b', 'c', 'd']) {
      const journal = journalIn(directory);
      const dead = pipelineWith({ sink: gateSink(), journal });
      dead.emit(newScope(), { event });
      await dead.shutdown(50);
      // It lets go of its folder even after the deadline.
      await journal.close();
    }
    const stored = memorySink();
    let parked: string | undefined;
    const sink: AuditSink = {
      ...stored,
      async writeEvent(event) {
        parked ??= parseEvent(event.bytes)?.event;
        return parseEvent(event.bytes)?.event === parked ? new Promise(() => {}) : stored.writeEvent(event);
      },
    };
    pipelineWith({ sink, journal: journalIn(directory) });
    await eventually(() => expect(countOf(stored, 'run_abandoned')).toBe(3));
    expect(eventsOf(stored).map(({ event }) => event)).not.toContain(parked);
  });
});

describe('the end of a dead process', () => {
  it('is said later where there is no room for it, each statement once', async () => {
    const directory = newDirectory();
    const dead = journalIn(directory);
    for (const run of [newRun(), newRun()]) append(dead, next(run, 1));
    await dead.close();
    const adopted = await journalIn(directory).adopt(dead.folder);
    const queue = new DeliveryQueue(memorySink(), 1024 * 1024, ({ feed, position }) => feed?.done(position));
    const said: unknown[] = [];
    let room = 1;
    const inherited = new InheritedJournal(adopted, {
      queue,
      instance: newScope(),
      hasLost: async () => undefined,
      emit(_scope, { fields }) {
        room -= 1;
        if (room >= 0) said.push(fields?.['run_id']);
        return room >= 0;
      },
    });
    await inherited.settle();
    expect(said).toHaveLength(1);
    expect(adopted.isReported).toBe(false);
    room = 5;
    inherited.report();
    inherited.report();
    expect(new Set(said).size).toBe(2);
    expect(said).toHaveLength(2);
    expect(adopted.isReported).toBe(true);
    await adopted.close();
  });
});
