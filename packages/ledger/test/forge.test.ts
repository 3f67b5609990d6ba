import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { verify } from '../src/index.ts';
import { ForgeProcess, editedLine, flat } from './forge-log.ts';
import { TestRun, sha256, stored } from './history.ts';

const report = (lines: readonly Uint8Array[], options = {}) => verify(flat(lines), { sha256, ...options });

/**
 * Start-up, two invocations one after the other and two at once, then a restart in the same second, with the same first bytes, and one
 * more.
 */
function agentLog(): Uint8Array[] {
  const first = new ForgeProcess();
  const second = new ForgeProcess();
  return [
    first.emit('policy_loaded'),
    first.emit('agent_card_published'),
    ...first.invoke('a'),
    ...first.invoke('b'),
    ...['session_start', 'llm_call', 'session_end'].flatMap((event) => [
      first.emit(event, 'c'),
      first.emit(event, 'd'),
    ]),
    second.emit('policy_loaded'),
    ...second.invoke('e'),
  ];
}

describe('the log of a Forge agent', () => {
  it('is sound over invocations, start-up events and a restart', async () => {
    expect(await report(agentLog())).toMatchObject({ verified: true, findings: [], forgeEvents: 20, duplicates: 1 });
  });

  it('is sound beside others in one stream, beside our own runs, and delivered twice', async () => {
    const lines = [agentLog(), agentLogOf('other'), agentLogOf('third')];
    const interleaved = Array.from({ length: 21 }, (_, i) => lines.map((log) => log[i]!)).flat();
    const ours = stored(new TestRun().complete(5));
    const records = [...flat([...interleaved, ...interleaved.slice(3, 9)]), ...ours];
    expect(await verify(records, { sha256 })).toMatchObject({
      verified: true,
      findings: [],
      forgeEvents: 62,
      events: 5,
    });
  });

  it('is sound where a caller uses its correlation id twice', async () => {
    const agent = new ForgeProcess();
    const lines = agent.invoke('same');
    agent.callAgain('same');
    expect(await report([...lines, ...agent.invoke('same')])).toMatchObject({ verified: true, findings: [] });
  });

  it('is sound where callers are authenticated before it is known what they ask for', async () => {
    const agent = new ForgeProcess();
    const begin = (): Uint8Array => agent.emit('auth_verify', 'c', { task_id: undefined });
    const [first, second] = ['one', 'two'].map((task) => ({ task_id: task }));
    const lines = [begin(), agent.emit('session_start', 'c', first), agent.emit('session_end', 'c', first)];
    expect(await report(lines)).toMatchObject({ verified: true, findings: [] });
    expect((await report(lines.toSpliced(1, 1))).findings).toMatchObject([{ cause: 'gap', seq: 2 }]);
    // Two calls at once, under one correlation id.
    agent.callAgain('c');
    lines.push(begin());
    agent.callAgain('c');
    lines.push(begin(), agent.emit('session_start', 'c', first));
    agent.callAgain('c', 1);
    lines.push(agent.emit('session_start', 'c', second), agent.emit('session_end', 'c', second));
    agent.callAgain('c', 2);
    lines.push(agent.emit('session_end', 'c', first));
    expect(await report(lines)).toMatchObject({ verified: true, findings: [] });
  });

  it('may be signed by one process, and not by another or the one before it', async () => {
    const signature = { kid: 'k', sigp: 'jcs-1', sig: `${'A'.repeat(86)}==` };
    const [before, signing, other] = [new ForgeProcess(), new ForgeProcess(), new ForgeProcess('other')];
    const lines = [
      before.emit('policy_loaded'),
      ...before.invoke('c'),
      signing.emit('policy_loaded', undefined, signature),
      ...signing.invoke('c', signature),
      other.emit('policy_loaded'),
      ...other.invoke('c'),
    ];
    const signatures = { keys: [{ kid: 'k', x: 'A'.repeat(43) }], verifySignature: () => true };
    expect((await report(lines, { signatures })).findings).toEqual([]);
    const stripped = [...lines.slice(0, 10), signing.emit('llm_call', 'c')];
    expect((await report(stripped, { signatures })).findings).toMatchObject([
      { cause: 'signature_downgraded', runId: 'c', seq: 5, streamSeq: 11 },
    ]);
  });

  it('is sound from the middle on, if that is said', async () => {
    const lines = agentLog().slice(4);
    expect((await report(lines)).verified).toBe(false);
    expect(await report(lines, { fromStart: false })).toMatchObject({ verified: true, findings: [] });
  });

  it('of one execution is judged by its numbers: its links go to others', async () => {
    const agent = new ForgeProcess();
    const lines = [
      ...agent.invoke('a', { workflow_execution_id: 'x' }),
      ...agent.invoke('b', { workflow_execution_id: 'y' }),
      ...agent.invoke('c', { workflow_execution_id: 'x' }),
    ];
    expect(await report(lines, { execution: 'x' })).toMatchObject({ verified: true, findings: [], forgeEvents: 8 });
    expect(await report(lines.toSpliced(9, 1), { execution: 'x' })).toMatchObject({
      findings: [{ cause: 'gap', seq: 2 }],
    });
  });

  it('an edited event: at the event after it', async () => {
    const lines = agentLog();
    const tampered = lines.with(4, editedLine(lines[4]!, { event: 'egress_allowed' }));
    const { findings } = await report(tampered);
    expect(findings).toMatchObject([{ cause: 'broken_chain', runId: 'a', seq: 4, streamSeq: 6 }]);
  });

  it('a dropped event: one finding, at its number', async () => {
    const { findings } = await report(agentLog().toSpliced(3, 1));
    expect(findings).toMatchObject([{ cause: 'gap', runId: 'a', seq: 2, lastSeq: 2, streamSeq: 4 }]);
  });

  it('a dropped start-up event: at the event after it', async () => {
    const { findings } = await report(agentLog().toSpliced(1, 1));
    expect(findings).toMatchObject([{ cause: 'broken_chain', runId: 'a', seq: 1, streamSeq: 2 }]);
  });

  it('two events that link to one', async () => {
    const lines = agentLog();
    const { findings } = await report([...lines, editedLine(lines[5]!, { event: 'x' })]);
    expect(findings.map(({ cause }) => cause).sort()).toEqual(['conflict', 'fork']);
  });

  it('a hostile one makes nothing throw', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            event: fc.string(),
            ts: fc.string(),
            seq: fc.jsonValue(),
            prev_hash: fc.jsonValue(),
            correlation_id: fc.jsonValue(),
            task_id: fc.jsonValue(),
            entity_id: fc.jsonValue(),
          }),
        ),
        async (events) => {
          const lines = events.map((event) => new TextEncoder().encode(JSON.stringify(event)));
          expect((await report(lines)).findings).toBeInstanceOf(Array);
        },
      ),
    );
  });
});

describe('the log of an orchestrator that counts per execution', () => {
  const line = (execution: string, seq: number): Uint8Array =>
    new TextEncoder().encode(
      JSON.stringify({
        ts: '2026-01-02T03:04:05Z',
        event: 'workflow_step_started',
        seq,
        workflow_execution_id: execution,
        entity_id: 'orchestrator',
      }),
    );

  it('is sound without links, and shows what is missing', async () => {
    const lines = [line('x', 1), line('y', 1), line('x', 2), line('y', 2), line('y', 3)];
    expect(await report(lines)).toMatchObject({ verified: true, findings: [] });
    expect(await report(lines.toSpliced(3, 1))).toMatchObject({ findings: [{ cause: 'gap', seq: 2, lastSeq: 2 }] });
  });
});

function agentLogOf(entity: string): Uint8Array[] {
  const agent = new ForgeProcess(entity);
  const calls = ['1', '2', '3', '4', '5'].flatMap((call) => agent.invoke(`${entity}-${call}`));
  return [agentStart(entity), ...calls].slice(0, 21);
}

/** A process that did nothing but start. */
function agentStart(entity: string): Uint8Array {
  return new ForgeProcess(entity).emit('policy_loaded');
}
