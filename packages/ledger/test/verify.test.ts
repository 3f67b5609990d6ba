import { assertValidEvents, checkLedger } from '@spanledger/testkit';
import { describe, expect, it } from 'vitest';
import { LedgerVerifier, verify } from '../src/index.ts';
import { TestRun, edited, sha256, stored } from './history.ts';

const clean = { gaps: 0, losses: 0, conflicts: 0, chain: 'ok', findings: [], verified: true };

describe('a sound ledger has no findings', () => {
  it('one run, from its start to its end', async () => {
    const run = new TestRun();
    const events = run.complete(5);
    assertValidEvents(events);

    const report = await verify(stored(events), { sha256 });

    expect(report).toMatchObject({
      ...clean,
      events: 5,
      openRuns: 0,
      producers: ['agent'],
      duplicates: 0,
      reordered: 0,
    });
    expect(report.runs).toMatchObject([{ runId: run.runId, events: 5, lastSeq: 5, state: 'ended', lateEvents: 0 }]);
    expect(checkLedger(events)).toMatchObject([{ runId: run.runId, events: 5, contiguous: true, chained: true }]);
  });

  it('an empty one', async () => {
    expect(await verify([], { sha256 })).toMatchObject({ ...clean, runs: [], events: 0, openRuns: 0 });
  });

  it('replicas, a restart and three concurrent calls of one agent, interleaved', async () => {
    const runs = Array.from({ length: 5 }, () => new TestRun('agent').complete(4));
    const interleaved = [0, 1, 2, 3].flatMap((place) => runs.map((run) => run[place]!));

    const report = await verify(stored(interleaved), { sha256 });

    expect(report).toMatchObject({ ...clean, events: 20, openRuns: 0, reordered: 0 });
    expect(report.runs).toHaveLength(5);
  });

  it('an event delivered twice, at once and long after', async () => {
    const [a, b, c] = new TestRun().complete(3);
    const report = await verify(stored([a!, a!, b!, c!, a!]), { sha256 });
    expect(report).toMatchObject({ ...clean, events: 3, duplicates: 2, reordered: 0 });
  });

  it('events that overtook each other', async () => {
    const [a, b, c, d] = new TestRun().complete(4);
    const report = await verify(stored([a!, c!, b!, d!]), { sha256 });
    expect(report).toMatchObject({ ...clean, events: 4, reordered: 1 });
  });

  it('a run that is still going on, or whose process died: open, a state', async () => {
    const report = await verify(stored(new TestRun().complete(4).slice(0, 3)), { sha256 });
    expect(report).toMatchObject({ ...clean, openRuns: 1, runs: [{ state: 'open' }] });
  });

  it('an event after the terminal one: late, a state', async () => {
    const run = new TestRun();
    const report = await verify(stored([...run.complete(3), run.seal('tool_exec')]), { sha256 });
    expect(report).toMatchObject({ ...clean, openRuns: 0, runs: [{ state: 'ended', lateEvents: 1 }] });
  });

  it('an instance run that ends with a final checkpoint', async () => {
    const instance = new TestRun();
    const events = [instance.seal('audit_checkpoint'), instance.seal('audit_checkpoint', { fields: { final: true } })];
    expect(await verify(stored(events.slice(0, 1)), { sha256 })).toMatchObject({ ...clean, openRuns: 1 });
    expect(await verify(stored(events), { sha256 })).toMatchObject({ ...clean, openRuns: 0 });
  });

  it('does not wait for more of a run whose only event tells of another one', async () => {
    const abandoned = new TestRun().seal('run_abandoned');
    expect(await verify(stored([abandoned]), { sha256 })).toMatchObject({ ...clean, openRuns: 0 });
  });

  it('an asynchronous source, and a report in the middle of reading', async () => {
    const records = stored(new TestRun().complete(4));
    async function* source() {
      yield* records;
    }
    expect(await verify(source(), { sha256 })).toEqual(await verify(records, { sha256 }));

    const verifier = new LedgerVerifier({ sha256 });
    verifier.add(records[0]!);
    expect(verifier.report()).toMatchObject({ ...clean, events: 1, openRuns: 1 });
    for (const record of records) verifier.add(record);
    expect(verifier.report()).toMatchObject({ ...clean, events: 4, duplicates: 1, openRuns: 0 });
  });
});

describe('what was reported lost', () => {
  it('bridges the chain: the report names the range and its last hash', async () => {
    const run = new TestRun();
    const events = run.complete(7);
    const report = new TestRun().reportLoss(events.slice(2, 5));
    assertValidEvents([report]);

    const result = await verify(stored([...events.slice(0, 2), ...events.slice(5), report]), { sha256 });

    expect(result).toMatchObject({ verified: true, chain: 'ok', gaps: 0, losses: 1 });
    expect(result.findings).toEqual([
      {
        cause: 'loss',
        runId: run.runId,
        seq: 3,
        lastSeq: 5,
        eventId: `${run.runId}:3`,
        streamSeq: 5,
        reason: 'queue_full',
        reportedBy: `${report.runId}:1`,
      },
    ]);
  });

  it('does not bridge it to an event that was put there later', async () => {
    const run = new TestRun();
    const events = run.complete(5);
    const report = new TestRun().reportLoss(events.slice(2, 3));
    const forged = edited(events[3]!, { prev_hash: 'f'.repeat(64) });

    const result = await verify(stored([...events.slice(0, 2), forged, report]), { sha256 });

    expect(result.findings).toMatchObject([
      { cause: 'broken_chain', seq: 4, streamSeq: 3, expected: [events[2]!.hash], actual: 'f'.repeat(64) },
      { cause: 'loss', seq: 3 },
    ]);
  });

  it('holds the event before the hole to its content', async () => {
    const events = new TestRun().complete(5);
    const report = new TestRun().reportLoss(events.slice(2, 4));
    const forged = edited(events[1]!, { fields: { index: 9 } });

    const result = await verify(stored([events[0]!, forged, events[4]!, report]), { sha256 });

    expect(result.findings).toMatchObject([
      { cause: 'broken_chain', seq: 3, streamSeq: 4, expected: [forged.hash], actual: events[1]!.hash },
      { cause: 'loss', seq: 3, lastSeq: 4 },
    ]);
  });

  it('covers its own numbers only', async () => {
    const run = new TestRun();
    const events = run.complete(8);
    const instance = new TestRun();
    const reports = [instance.reportLoss(events.slice(2, 3)), instance.reportLoss(events.slice(4, 6))];

    const result = await verify(stored([events[0]!, events[1]!, ...events.slice(6), ...reports]), { sha256 });

    expect(result.verified).toBe(false);
    expect(result.findings).toMatchObject([
      { cause: 'gap', seq: 4, lastSeq: 4, streamSeq: 3 },
      { cause: 'loss', seq: 3, lastSeq: 3, streamSeq: 5 },
      { cause: 'loss', seq: 5, lastSeq: 6, streamSeq: 6 },
    ]);
  });

  it('may have been stored after all', async () => {
    const events = new TestRun().complete(6);
    const report = new TestRun().reportLoss(events.slice(1, 4));
    const result = await verify(stored([events[0]!, events[2]!, ...events.slice(4), report]), { sha256 });
    expect(result).toMatchObject({ verified: true, losses: 2, gaps: 0 });
  });

  it('at the end of a run, and a whole run', async () => {
    const events = new TestRun().complete(6);
    const whole = new TestRun().complete(3);
    const instance = new TestRun();
    const reports = [instance.reportLoss(events.slice(4)), instance.reportLoss(whole)];

    const result = await verify(stored([...events.slice(0, 3), ...reports]), { sha256 });

    expect(result.findings).toMatchObject([
      { cause: 'gap', runId: events[0]!.runId, seq: 4, lastSeq: 4, streamSeq: 4 },
      { cause: 'loss', runId: events[0]!.runId, seq: 5, lastSeq: 6 },
      { cause: 'loss', runId: whole[0]!.runId, seq: 1, lastSeq: 3 },
    ]);
  });

  it('in the run that reports it', async () => {
    const instance = new TestRun();
    const events = [instance.seal('a'), instance.seal('b'), instance.seal('c')];
    const report = instance.reportLoss(events.slice(1));
    expect(await verify(stored([events[0]!, report]), { sha256 })).toMatchObject({ verified: true, losses: 1 });
  });

  it('by its own producer: nobody speaks for another', async () => {
    const events = new TestRun('agent').complete(4);
    const report = new TestRun('mallory').reportLoss(events.slice(1, 2));
    const result = await verify(stored([events[0]!, ...events.slice(2), report]), { sha256 });
    expect(result.findings).toMatchObject([{ cause: 'gap', seq: 2 }]);
  });

  it("by its own producer: writing into a run does not make it one's own", async () => {
    const run = new TestRun('agent');
    const events = run.complete(4);
    const stranger = { ...run.seal('tool_exec', { producer: 'mallory' }), subject: 'auditEvent.-.-.mallory' };
    const report = new TestRun('mallory').reportLoss(events.slice(1, 2));
    const result = await verify(stored([events[0]!, ...events.slice(2), stranger, report]), { sha256 });
    expect(result.findings).toMatchObject([
      { cause: 'gap', seq: 2 },
      { cause: 'foreign_producer', seq: 5 },
    ]);
  });

  it('twice, in ranges of which one ends behind the hole', async () => {
    const events = new TestRun().complete(5);
    const instance = new TestRun();
    const reports = [instance.reportLoss(events.slice(1, 3)), instance.reportLoss(events.slice(1, 4))];
    const result = await verify(stored([events[0]!, ...events.slice(3), ...reports]), { sha256 });
    expect(result.findings).toMatchObject([{ cause: 'loss', seq: 2, lastSeq: 3 }]);
  });

  it('before it had numbers', async () => {
    const report = new TestRun().seal('audit_loss', { fields: { reason: 'queue_full', count: 12 } });
    const result = await verify(stored([report]), { sha256 });
    expect(result).toMatchObject({ verified: true, losses: 1 });
    expect(result.findings).toMatchObject([{ cause: 'loss_unnumbered', count: 12, reason: 'queue_full', seq: 1 }]);
  });
});

describe('what does not fit is named where it is', () => {
  it('a hole, counted once however wide', async () => {
    const events = new TestRun().complete(9);
    const result = await verify(stored([...events.slice(0, 2), events[4]!, ...events.slice(7)]), { sha256 });
    expect(result).toMatchObject({ gaps: 2, chain: 'ok', verified: false });
    expect(result.findings).toMatchObject([
      { cause: 'gap', seq: 3, lastSeq: 4, streamSeq: 3, eventId: `${events[0]!.runId}:3` },
      { cause: 'gap', seq: 6, lastSeq: 7, streamSeq: 4 },
    ]);
  });

  it('a hole as wide as a number can be', async () => {
    const run = new TestRun();
    const first = run.seal('invocation_started');
    run.chain.seq = Number.MAX_SAFE_INTEGER - 1;
    const result = await verify(stored([first, run.seal('tool_exec')]), { sha256 });
    expect(result.findings).toMatchObject([{ cause: 'gap', seq: 2, lastSeq: Number.MAX_SAFE_INTEGER - 1 }]);
  });

  it('two contents of one number, and the chain goes on from either', async () => {
    const run = new TestRun();
    const events = run.complete(4);
    const rival = edited(events[1]!, { event: 'egress_allowed' });
    for (const order of [
      [events[0]!, rival, ...events.slice(1)],
      [...events.slice(0, 2), rival, ...events.slice(2)],
    ]) {
      const result = await verify(stored(order), { sha256 });
      expect(result).toMatchObject({ conflicts: 1, chain: 'ok', gaps: 0, events: 5, duplicates: 0 });
      expect(result.findings).toMatchObject([{ cause: 'conflict', seq: 2, streamSeq: 3, contents: [{}, {}] }]);
    }
  });

  it('a record that is no event', async () => {
    const event = new TestRun().seal('invocation_started');
    const torn = event.bytes.slice(0, -1);
    const result = await verify([{ bytes: torn, streamSeq: 41, subject: 'auditEvent.-.-.agent' }], { sha256 });
    expect(result.findings).toEqual([{ cause: 'unparsable', streamSeq: 41, subject: 'auditEvent.-.-.agent' }]);
    expect(result.verified).toBe(false);
  });

  it("an event on another producer's subject, or on one that no producer writes", async () => {
    const { bytes } = new TestRun('agent').seal('invocation_started');
    for (const subject of ['auditEvent.-.-.mallory', 'auditEvent.-.-.%61gent', 'auditEvent.agent']) {
      const { findings } = await verify([{ bytes, streamSeq: 1, subject }], { sha256 });
      expect(findings).toMatchObject([{ cause: 'producer_mismatch', producer: 'agent', subject, seq: 1 }]);
    }
    expect(await verify([{ bytes, streamSeq: 1, subject: 'auditEvent' }], { sha256 })).toMatchObject(clean);
    expect(await verify([{ bytes, streamSeq: 1 }], { sha256 })).toMatchObject(clean);
  });
});

describe('a run belongs to the producer that began it', () => {
  it('whoever else writes into it is named at its first event, however well that links', async () => {
    const run = new TestRun('agent');
    const events = [run.seal('invocation_started'), run.seal('tool_exec')];
    const foreign = ['auth_verify', 'auth_verify'].map((event) => run.seal(event, { producer: 'mallory' }));
    const records = stored([...events, ...foreign].map((event) => ({ ...event, subject: 'auditEvent' })));

    const result = await verify(records, { sha256 });

    expect(result).toMatchObject({ verified: false, chain: 'ok', gaps: 0, producers: ['agent', 'mallory'] });
    const expected = { cause: 'foreign_producer', producer: 'mallory', owner: 'agent', seq: 3, streamSeq: 3 };
    expect(result.findings).toMatchObject([expected]);
    expect((await verify(records.reverse(), { sha256 })).findings).toEqual(result.findings);
  });
});

describe('keys that are not the partition key', () => {
  it('collide where one agent is called three times in one execution', () => {
    const more = { workflow_execution_id: 'exec-1', entity_type: 'agent', entity_id: 'agent' };
    const events = [1, 2, 3].flatMap(() => {
      const run = new TestRun('agent');
      return [run.seal('invocation_started', more), run.seal('invocation_complete', more)];
    });
    const parsed = assertValidEvents(events);
    const keys = (...names: string[]) =>
      new Set(parsed.map((event) => names.map((name) => event[name]).join('/'))).size;

    expect(keys('workflow_execution_id', 'seq')).toBe(2);
    expect(keys('workflow_execution_id', 'entity_type', 'entity_id', 'seq')).toBe(2);
    expect(keys('run_id', 'seq')).toBe(6);
  });
});
