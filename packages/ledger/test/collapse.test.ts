import { eventId, parseEvent } from '@spanledger/protocol';
import type { LedgerRecord } from '@spanledger/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AttemptIndex, LiveCollapse, collapse, collapseLive } from '../src/index.ts';
import type { CollapsedRecord, LiveCollapseOptions, LiveItem } from '../src/index.ts';
import { TestRun, sha256, stored } from './history.ts';
import { deliveries } from './rewind-history.ts';

async function* slowly(records: readonly LedgerRecord[]): AsyncGenerator<LedgerRecord, void, void> {
  for (const record of records) yield await Promise.resolve(record);
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

async function collapsed(...args: Parameters<typeof collapse>): Promise<CollapsedRecord[]> {
  return all(collapse(...args));
}

/** Not only equal: the very records, so bytes, subjects and cursors are those that were stored. */
function expectSame(some: readonly LedgerRecord[], others: readonly LedgerRecord[]): void {
  expect(some.map(({ streamSeq }) => streamSeq)).toEqual(others.map(({ streamSeq }) => streamSeq));
  expect(some.every((record, index) => record === others[index])).toBe(true);
}

function hashed({ bytes, streamSeq }: LedgerRecord): string {
  return `${streamSeq} ${sha256(bytes)}`;
}

function idOf({ bytes }: LedgerRecord): string {
  const { run_id: runId, seq } = parseEvent(bytes)!;
  return eventId({ runId, seq });
}

describe('collapse', () => {
  it('leaves out, or marks, what the plan of any history has superseded, and touches nothing else', async () => {
    await fc.assert(
      fc.asyncProperty(deliveries, async ({ records, live }) => {
        const left = await collapsed(records, 'superseded');
        expectSame(left, live);
        const marked = await collapsed(slowly(records), 'mark');
        expect(
          marked.every(({ bytes, subject }, n) => bytes === records[n]!.bytes && subject === records[n]!.subject),
        ).toBe(true);
        expect(marked.map(({ streamSeq }) => streamSeq)).toEqual(records.map(({ streamSeq }) => streamSeq));
        expectSame(
          marked.filter(({ superseded }) => superseded === undefined),
          live,
        );
        expectSame(await collapsed(slowly(records), 'superseded', { attemptsFrom: slowly(records) }), live);
      }),
      { numRuns: 300 },
    );
  });

  it('is with `none` what is given: the same records, bytes and stream sequences', async () => {
    await fc.assert(
      fc.asyncProperty(deliveries, async ({ records }) => {
        const copies = records.map((record) => ({ ...record, bytes: record.bytes.slice() }));
        for (const source of [records, slowly(records)]) {
          expectSame(await collapsed(source, 'none'), records);
        }
        expect(records.map(hashed)).toEqual(copies.map(hashed));
      }),
    );
  });

  it('passes on what is no event', async () => {
    const records = [{ bytes: new TextEncoder().encode('{'), streamSeq: 1 }];
    for (const mode of ['superseded', 'mark', 'none'] as const) expect(await collapsed(records, mode)).toEqual(records);
  });

  it('looks for attempts in a wider part, and gives nothing that was stored after it', async () => {
    const step = { workflow_execution_id: 'e1', step_id: 'plan' };
    const [mine, other] = [new TestRun('mine'), new TestRun('other')];
    const records = stored([
      mine.seal('tool_exec', { ...step, attempt_epoch: 1 }),
      other.seal('tool_exec', { ...step, attempt_epoch: 2 }),
      mine.seal('tool_exec', { ...step, attempt_epoch: 2 }),
      mine.seal('tool_exec', { ...step, attempt_epoch: 3 }),
    ]);
    const ofMine = records.filter((_, index) => index !== 1);
    expect(await collapsed(ofMine, 'superseded', { attemptsFrom: records.slice(0, 3) })).toEqual([records[2]]);
  });

  it('says when it knew too many attempts to remember them all', async () => {
    const events = [2, 2, 1].map((attempt_epoch, n) =>
      new TestRun().seal('tool_exec', { workflow_execution_id: `e${n % 2}`, step_id: 'plan', attempt_epoch }),
    );
    const index = new AttemptIndex({ heldMax: 2 });
    expect(await all(collapse(stored(events), 'superseded', { index }))).toHaveLength(3);
    expect(index.forgotten).toBe(1);
  });
});

/** What a reader has in the end, who does as he is told. */
function picture(items: readonly LiveItem[]): { streamSeq: number; superseded: boolean }[] {
  const stale = new Set<string>();
  const shown: (LedgerRecord & { superseded: boolean })[] = [];
  for (const item of items) {
    if (item.kind === 'rewind') for (const id of item.supersededEventIds) stale.add(id);
    else shown.push({ ...item.record, superseded: item.superseded });
  }
  return shown.map((one) => ({ streamSeq: one.streamSeq, superseded: one.superseded || stale.has(idOf(one)) }));
}

describe('collapseLive', () => {
  it('comes to the same picture as collapse, once its corrections are applied', async () => {
    await fc.assert(
      fc.asyncProperty(deliveries, async ({ records, live }) => {
        const isLive = new Set(live.map(({ streamSeq }) => streamSeq));
        const truth = records.map(({ streamSeq }) => ({ streamSeq, superseded: !isLive.has(streamSeq) }));
        const marked = await all(collapseLive(slowly(records), { mode: 'mark' }));
        expect(picture(marked)).toEqual(truth);
        const left = await all(collapseLive(records, { mode: 'superseded' }));
        expect(picture(left).filter(({ superseded }) => !superseded)).toEqual(truth.filter((one) => !one.superseded));
        expect(left.some((item) => item.kind === 'event' && item.superseded)).toBe(false);
        const plain = await all(collapseLive(records, { mode: 'none' }));
        expectSame(
          plain.flatMap((item) => (item.kind === 'event' && !item.superseded ? [item.record] : [])),
          records,
        );
      }),
      { numRuns: 300 },
    );
  });

  it('corrects only what it gave, each event once, of the step and the epochs that it names', async () => {
    await fc.assert(
      fc.asyncProperty(deliveries, async ({ records }) => {
        const copies = new Set(records.map(idOf));
        if (copies.size < records.length) return;
        const given = new Map<string, LedgerRecord>();
        for (const item of await all(collapseLive(records, { mode: 'mark' }))) {
          if (item.kind === 'event') {
            if (!item.superseded) given.set(idOf(item.record), item.record);
            continue;
          }
          expect(item.supersededEventIds).not.toEqual([]);
          for (const id of item.supersededEventIds) {
            const { step_id, attempt_epoch, workflow_execution_id } = parseEvent(given.get(id)!.bytes)!;
            expect({ step_id, workflow_execution_id }).toEqual({
              step_id: item.stepId,
              workflow_execution_id: item.executionId,
            });
            expect(attempt_epoch).toBeLessThanOrEqual(item.epoch);
            given.delete(id);
          }
        }
      }),
    );
  });

  const run = new TestRun();
  const seal = (event: string, epoch: number, more = {}) =>
    run.seal(event, { workflow_execution_id: 'e1', step_id: 'plan', attempt_epoch: epoch, ...more });

  function give(options: LiveCollapseOptions, ...events: Parameters<typeof stored>[0]): LiveItem[] {
    const live = new LiveCollapse(options);
    return stored(events).flatMap((record) => live.add(record));
  }

  /** `3` for an event given, `(3)` for one marked, `-3` for one taken back; by number. */
  function brief(items: readonly LiveItem[]): string[] {
    return items.flatMap((item) =>
      item.kind === 'rewind'
        ? item.supersededEventIds.map((id) => `-${id.split(':')[1]}`)
        : [item.superseded ? `(${item.event!.seq})` : String(item.event?.seq)],
    );
  }

  it('corrects before it gives what made it stale, and drops or marks what comes late', () => {
    const [first, second, late, retried] = [seal('a', 1), seal('b', 1), seal('late', 1), seal('a', 2)];
    const [n1, n2, n3, n4] = [first, second, late, retried].map(({ seq }) => String(seq));
    const events = [first, second, retried, late];
    expect(brief(give({ mode: 'mark' }, ...events))).toEqual([n1, n2, `-${n1}`, `-${n2}`, n4, `(${n3})`]);
    expect(brief(give({ mode: 'superseded' }, ...events))).toEqual([n1, n2, `-${n1}`, `-${n2}`, n4]);
    const [rewind] = give({ mode: 'mark' }, first, retried).filter(({ kind }) => kind === 'rewind');
    expect(rewind).toEqual({
      kind: 'rewind',
      executionId: 'e1',
      stepId: 'plan',
      epoch: 1,
      supersededEventIds: [`${run.runId}:${n1}`],
    });
    const ofRun = { workflow_execution_id: undefined };
    const [inRun] = give({ mode: 'mark' }, seal('a', 1, ofRun), seal('a', 2, ofRun)).slice(1);
    expect(inRun).toMatchObject({ kind: 'rewind', runId: run.runId, stepId: 'plan' });
  });

  it('looks at all events, and gives those that are wanted', () => {
    const events = [seal('a', 1), seal('b', 1), seal('b', 2)];
    const items = give({ mode: 'mark', only: (event) => event?.event === 'a' }, ...events);
    expect(brief(items)).toEqual([String(events[0]!.seq), `-${events[0]!.seq}`]);
  });

  it('forgets what it gave longest ago, and says how much', () => {
    const live = new LiveCollapse({ mode: 'mark', rememberedMax: 2 });
    const of = (step: string, epoch: number) => seal('a', epoch, { step_id: step });
    const events = [of('x', 1), of('y', 1), of('x', 1), of('x', 2), of('y', 2)];
    const items = stored(events).flatMap((record) => live.add(record));
    const [, y, x] = events.map(({ seq }) => seq);
    expect(brief(items).filter((one) => one.startsWith('-'))).toEqual([`-${events[0]!.seq}`, `-${x}`]);
    expect(y).toBeDefined();
    expect(live.forgotten).toBe(1);
    const long = { ...parseEvent(of('x', 2).bytes)!, run_id: 'r'.repeat(300) };
    live.add({ bytes: new TextEncoder().encode(JSON.stringify(long)), streamSeq: 9 });
    expect(live.forgotten).toBe(2);
  });
});
