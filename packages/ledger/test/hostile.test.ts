import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { roster, rollup, timeline, verify } from '../src/index.ts';
import { ForgeProcess, flat } from './forge-log.ts';
import { TestRun, edited, sha256, stored } from './history.ts';

const encoder = new TextEncoder();
const lines = (values: readonly object[]) => flat(values.map((value) => encoder.encode(JSON.stringify(value))));

/** An event as somebody may write it who can publish. */
function event(more: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return JSON.parse(new TextDecoder().decode(edited(new TestRun().seal('tool_exec'), more).bytes)) as never;
}

const count = (findings: readonly { cause: string }[], cause: string): number =>
  findings.filter((finding) => finding.cause === cause).length;

describe('nothing in a record makes a reader throw', () => {
  const events = [
    'audit_loss',
    'audit_checkpoint',
    'run_abandoned',
    'workflow_step_started',
    'workflow_step_completed',
  ];
  const names = ['ts', 'producer', 'run_id', 'seq', 'workflow_execution_id', 'step_id', 'attempt_epoch', 'kid', 'sig'];
  const odd = fc.oneof(fc.jsonValue(), fc.constantFrom(null, {}, [null], 'r', 'x'.repeat(1_000), 2));

  it('whatever its fields are', async () => {
    const signatures = { keys: [], verifySignature: () => true };
    const change = fc.dictionary(fc.constantFrom(...names, 'fields'), odd);
    const fields = fc.dictionary(fc.constantFrom('runs', 'predecessor', 'run_id', 'parent', 'dispatched', 'step'), odd);
    const any = fc
      .tuple(fc.constantFrom(...events), fields, change)
      .map(([name, f, c]) => ({ event: name, fields: f, ...c }));
    await fc.assert(
      fc.asyncProperty(fc.array(any, { maxLength: 5 }), async (changes) => {
        const records = lines(changes.map((one) => event(one)));
        const reports = [verify(records, { sha256, signatures }), verify(records, { sha256, execution: 'r' })];
        const others = [timeline(records), rollup(records), roster(records)];
        await expect(Promise.all([...reports, ...others])).resolves.toHaveLength(5);
      }),
      { numRuns: 300, examples: [[[{ event: 'audit_checkpoint', fields: null as never }]]] },
    );
  });

  it('a step that is nested without end', async () => {
    const deep = `${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}`;
    const text = JSON.stringify(event({ attempt_epoch: 2, step_id: 'DEEP', workflow_execution_id: 'x' }));
    const records = flat([encoder.encode(text.replace('"DEEP"', deep))]);
    expect((await verify(records, { sha256 })).events).toBe(1);
  });

  it('a name that is too long to be held on to', async () => {
    const name = 'x'.repeat(1_000);
    for (const more of [{ run_id: name }, { producer: name }, { run_id: undefined, correlation_id: name }]) {
      expect((await verify(lines([event(more)]), { sha256 })).findings).toMatchObject([{ cause: 'unparsable' }]);
    }
  });
});

describe('what somebody does very often takes no more than its time', () => {
  it('holes in one run, more than a call has room for', async () => {
    const runId = new TestRun().runId;
    const holes = Array.from({ length: 150_000 }, (_, i) => event({ run_id: runId, seq: 2 * i + 2 }));
    expect(count((await verify(lines(holes), { sha256 })).findings, 'gap')).toBe(150_000);
  });

  it('producers of one run', async () => {
    const runId = new TestRun().runId;
    const all = Array.from({ length: 50_000 }, (_, i) => event({ run_id: runId, seq: i + 1, producer: `p${i}` }));
    expect(count((await verify(lines(all), { sha256 })).findings, 'foreign_producer')).toBe(49_999);
  });

  it('contents of one number, of which the first hundred are named', async () => {
    const runId = new TestRun().runId;
    const rivals = Array.from({ length: 50_000 }, (_, i) => event({ run_id: runId, seq: 1 + (i % 2), model: `m${i}` }));
    const { findings } = await verify(lines(rivals), { sha256 });
    expect(findings.find(({ cause }) => cause === 'conflict')).toMatchObject({ contents: { length: 101 } });
  });

  it('losses, each of one event', async () => {
    const [run, instance] = [new TestRun(), new TestRun()];
    const events = Array.from({ length: 40_000 }, (_, i) => {
      const sealed = { ...run.seal('tool_exec') };
      return i % 2 === 0 ? instance.reportLoss([sealed]) : { ...sealed, bytes: Uint8Array.from(sealed.bytes) };
    });
    const { findings, verified } = await verify(stored(events), { sha256 });
    expect([count(findings, 'loss'), verified]).toEqual([20_000, true]);
  });

  it('calls under one correlation id, and successors of one event', async () => {
    const agent = new ForgeProcess();
    const calls = Array.from({ length: 20_000 }, () => {
      agent.callAgain('c');
      return [agent.emit('session_start', 'c'), agent.emit('session_end', 'c')];
    });
    expect((await verify(flat(calls.flat()), { sha256 })).findings).toEqual([]);
    const first = event({ run_id: undefined, correlation_id: 'first' });
    const hash = sha256(encoder.encode(JSON.stringify(first)));
    const after = Array.from({ length: 20_000 }, (_, i) => ({ ...first, prev_hash: hash, correlation_id: `c${i}` }));
    expect(count((await verify(lines([first, ...after]), { sha256 })).findings, 'fork')).toBe(19_999);
  });
});
