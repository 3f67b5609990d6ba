import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { Accounting } from './lib/accounting.mjs';

interface Stored {
  readonly bytes: Buffer;
  readonly streamSeq: number;
  readonly hash: string;
}

/** Later than any event says that it happened. */
const NOW_MS = Date.now();
const RUN = '01a1fd36-0000-7000-8000-000000000001';
const INSTANCE = '01a1fd36-0000-7000-8000-000000000002';
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const CLEAN = { offered: 5, accepted: 5, stored: 5, reported: 0, lost: 0, unreported: 0, duplicates: 0, problems: [] };

/** A ledger in the making: seals as the wire contract says, and stores in any order. */
class Ledger {
  readonly #heads = new Map<string, { seq: number; hash: string }>();
  #place = 0;

  seal(runId: string, event: string, fields: object): Omit<Stored, 'streamSeq'> {
    const { seq, hash: prev } = this.#heads.get(runId) ?? { seq: 0, hash: '0'.repeat(64) };
    const place = { run_id: runId, seq: seq + 1, prev_hash: prev, correlation_id: runId };
    const envelope = { ts: '2026-01-01T00:00:00.000000Z', event, schema_version: '1.0', producer: 'p' };
    const bytes = Buffer.from(JSON.stringify({ ...envelope, ...place, fields }));
    const hash = sha256(bytes);
    this.#heads.set(runId, { seq: seq + 1, hash });
    return { bytes, hash };
  }

  work(n: number): Omit<Stored, 'streamSeq'> {
    return this.seal(RUN, 'work', { p: 'p1', r: 0, n });
  }

  store(accounting: Accounting, ...events: { bytes: Buffer }[]): void {
    for (const { bytes } of events) accounting.add({ bytes, streamSeq: (this.#place += 1) });
  }
}

function start() {
  const [ledger, accounting] = [new Ledger(), new Accounting()];
  const works = [1, 2, 3, 4, 5].map((n) => ledger.work(n));
  const settle = (tally: object = {}) =>
    accounting.settle([{ process: 'p1', killed: false, stderr: '', runs: [{ offered: 5, accepted: 5 }], ...tally }]);
  return { ledger, accounting, works, settle };
}

it('finds nothing in a sound ledger, and collapses copies', () => {
  const { ledger, accounting, works, settle } = start();
  ledger.store(accounting, ...works, works[1]!, works[4]!);
  expect(settle()).toMatchObject({ ...CLEAN, notes: { copies: 2 } });
});

it('minds copies that the server should have dropped', () => {
  const { ledger, accounting, works, settle } = start();
  const storeFirst = (storedAtMs: number) =>
    accounting.add({
      bytes: works[0]!.bytes,
      streamSeq: storedAtMs,
      storedAtMs: NOW_MS + storedAtMs,
      duplicateWindowMs: 1_000,
    });
  ledger.store(accounting, ...works.slice(1));
  storeFirst(5_000);
  storeFirst(6_500);
  expect(settle()).toMatchObject({ ...CLEAN, notes: { copies: 1 } });
  storeFirst(7_499);
  expect(settle().problems).toEqual(['the server has stored 1 messages twice within its duplicate window']);
});

it('does not mind the order of arrival', () => {
  const { ledger, accounting, works, settle } = start();
  ledger.store(accounting, ...works.toReversed());
  expect(settle()).toMatchObject(CLEAN);
});

it('counts what is missing at the end and says where a hole is', () => {
  const { ledger, accounting, works, settle } = start();
  ledger.store(accounting, works[0]!, works[2]!, works[3]!);
  const { problems, ...figures } = settle();
  expect(figures).toMatchObject({ stored: 3, lost: 2, reported: 0, unreported: 2 });
  expect(problems).toContainEqual(`${RUN}:2 is a hole`);
});

it('takes a reported loss for what it is, and bridges it', () => {
  const { ledger, accounting, works, settle } = start();
  const range = { run_id: RUN, first_seq: 2, last_seq: 3, prev_hash: works[0]!.hash, last_hash: works[2]!.hash };
  const loss = ledger.seal(INSTANCE, 'audit_loss', { ...range, reason: 'queue_full', count: 2 });
  ledger.store(accounting, works[0]!, works[3]!, works[4]!, loss);
  expect(settle()).toMatchObject({ ...CLEAN, stored: 3, lost: 2, reported: 2 });
});

it('does not let a report cover what it does not name', () => {
  const { ledger, accounting, works, settle } = start();
  const range = { run_id: RUN, first_seq: 2, last_seq: 2, prev_hash: works[0]!.hash, last_hash: works[1]!.hash };
  const loss = ledger.seal(INSTANCE, 'audit_loss', { ...range, reason: 'queue_full', count: 1 });
  ledger.store(accounting, works[0]!, works[3]!, works[4]!, loss);
  expect(settle()).toMatchObject({ lost: 2, reported: 1, unreported: 1 });
});

it('lets a report of something that is there cover nothing', () => {
  const { ledger, accounting, works, settle } = start();
  const range = { run_id: RUN, first_seq: 1, last_seq: 1, prev_hash: '0'.repeat(64), last_hash: works[0]!.hash };
  const loss = ledger.seal(INSTANCE, 'audit_loss', { ...range, reason: 'queue_full', count: 1 });
  ledger.store(accounting, ...works.slice(0, 4), loss);
  expect(settle()).toMatchObject({ lost: 1, reported: 0, unreported: 1 });
});

it('does not count an event lost whose hook had not returned', () => {
  const { ledger, accounting, works, settle } = start();
  ledger.store(accounting, ...works.slice(0, 4));
  expect(settle({ runs: [{ offered: 5, accepted: 4 }] })).toMatchObject({ ...CLEAN, accepted: 4, stored: 4 });
});

it('does not let a stored event that was not accepted stand in for one that was', () => {
  const { ledger, accounting, works, settle } = start();
  ledger.store(accounting, ...works.slice(0, 3), works[4]!);
  expect(settle({ runs: [{ offered: 5, accepted: 4 }] })).toMatchObject({ accepted: 4, stored: 4, lost: 1 });
});

it('sees one payload under two numbers, and one number with two contents', () => {
  const { ledger, accounting, works, settle } = start();
  ledger.store(accounting, ...works, ledger.work(5));
  expect(settle().duplicates).toBe(1);
  const other = JSON.parse(works[1]!.bytes.toString()) as object;
  ledger.store(accounting, { bytes: Buffer.from(JSON.stringify({ ...other, ts: '2026-01-02T00:00:00.000000Z' })) });
  expect(settle().duplicates).toBe(2);
});

it('sees what nobody offered, and payloads out of order', () => {
  const { ledger, accounting, works, settle } = start();
  ledger.store(accounting, ...works, ledger.work(7), ledger.work(6));
  const { problems } = settle();
  expect(problems).toContainEqual('2 events of p1:0 were never offered');
  expect(problems).toContainEqual(`${RUN}:7 is out of order`);
});

it('sees a broken chain', () => {
  const { ledger, accounting, works, settle } = start();
  const forged = JSON.parse(works[2]!.bytes.toString()) as object;
  const bytes = Buffer.from(JSON.stringify({ ...forged, ts: '2026-01-02T00:00:00.000000Z' }));
  ledger.store(accounting, works[0]!, works[1]!, { bytes }, works[3]!, works[4]!);
  expect(settle().problems).toContainEqual(`${RUN}:4 does not link to the one before`);
});

it('holds a checkpoint against what it names, and against its place', () => {
  const { ledger, accounting, works, settle } = start();
  const name = (last_seq: number, head_hash: string) =>
    ledger.seal(INSTANCE, 'audit_checkpoint', { runs: [{ run_id: RUN, last_seq, head_hash }] });
  const [good, early] = [name(3, works[2]!.hash), name(5, works[4]!.hash)];
  ledger.store(accounting, ...works.slice(0, 4), good, early, works[4]!);
  expect(settle().problems).toEqual([`the checkpoint at 6 of ${INSTANCE} comes before ${RUN}:5, which it covers`]);
  ledger.store(accounting, name(4, works[0]!.hash), name(9, works[0]!.hash));
  expect(settle().problems).toEqual([
    expect.stringContaining('comes before'),
    `the checkpoint at 8 of ${INSTANCE} gives another head for ${RUN}:4`,
    `the checkpoint at 9 of ${INSTANCE} names ${RUN}:9, which is not there`,
    expect.stringMatching(/^verify finds .*"rewritten"/),
    expect.stringMatching(/^verify finds .*"tail_cut"/),
  ]);
});

it('wants the open runs of killed processes named, truly, and no others', () => {
  const { ledger, accounting, works, settle } = start();
  ledger.store(accounting, ...works);
  expect(settle({ killed: true }).problems).toEqual([`run ${RUN} of p1 was abandoned, and nobody says so`]);
  const named = ledger.seal(INSTANCE, 'run_abandoned', { run_id: RUN, last_seq: 4, head_hash: works[3]!.hash });
  ledger.store(accounting, named);
  expect(settle({ killed: true }).problems).toEqual([`run_abandoned says that ${RUN} ends with 4, and it ends with 5`]);
  expect(settle().problems).toEqual([`run ${RUN} of p1 is called abandoned, and is not`]);
});

it('wants a word of farewell from whoever ended in order', () => {
  const { ledger, accounting, works } = start();
  ledger.store(accounting, ...works);
  const runs = [[{ offered: 5, accepted: 5 }], []];
  const tallies = runs.map((own, i) => ({ process: `p${i + 1}`, killed: false, stderr: '', runs: own }));
  const settle = () => accounting.settle(tallies, { finals: true }).problems;
  expect(settle()).toEqual(['2 of 2 processes that ended in order have left no final checkpoint']);
  ledger.store(accounting, ledger.seal(INSTANCE, 'audit_checkpoint', { final: true }));
  expect(settle()).toEqual(['1 of 2 processes that ended in order have left no final checkpoint']);
  ledger.store(accounting, ledger.seal(`${INSTANCE}b`, 'audit_checkpoint', { final: true }));
  expect(settle()).toEqual([]);
});

it('takes it ill when a process suspects itself', () => {
  const { ledger, accounting, works, settle } = start();
  ledger.store(accounting, ...works);
  expect(settle({ stderr: 'somebody uses our message ids' }).problems).toHaveLength(1);
});
