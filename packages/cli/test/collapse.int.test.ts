import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { SealedEvent } from '@spanledger/protocol';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Screen } from './screen.ts';
import { BIN, cli, Cli, newDirectory, plainEnvironment, sealRun, startLedger, toNdjson, until } from './support.ts';

const at = (attempt_epoch: number, step_id = 'plan') => ({ step_id, attempt_epoch });
const rewindTo = (new_epoch: number, step = 'plan') => ({
  event: 'stream_rewind',
  ...at(new_epoch, step),
  fields: { step, new_epoch },
});

/** A step that fails, and its second attempt, as they are stored; the last word of the first agent comes late. */
function retriedStep(execution = 'e1'): { events: SealedEvent[]; superseded: SealedEvent[] } {
  const orchestrator = sealRun({
    execution,
    producer: 'orchestrator',
    events: [
      { event: 'workflow_started' },
      { event: 'workflow_step_started', ...at(1) },
      { event: 'workflow_step_failed', ...at(1), duration_ms: 5, fields: { status: 'error', error_type: 'E1' } },
      rewindTo(2),
      { event: 'workflow_step_started', ...at(2) },
      { event: 'workflow_step_completed', ...at(2), duration_ms: 7 },
      { event: 'workflow_complete', duration_ms: 20 },
    ],
  });
  const [first, second] = ['agent-1', 'agent-2'].map((producer, index) =>
    sealRun({
      execution,
      producer,
      events: [
        { event: 'invocation_started', ...at(index + 1), invocation_caller: 'orchestrator' },
        { event: 'llm_call', ...at(index + 1), model: 'm', input_tokens: 10 * (index + 1), output_tokens: 1 },
        { event: 'invocation_complete', ...at(index + 1) },
      ],
    }),
  ) as [SealedEvent[], SealedEvent[]];
  return {
    events: [
      ...orchestrator.slice(0, 2),
      ...first.slice(0, 2),
      ...orchestrator.slice(2, 5),
      ...second,
      ...orchestrator.slice(5),
      first[2]!,
    ],
    superseded: [orchestrator[1]!, first[0]!, first[1]!, orchestrator[2]!, first[2]!],
  };
}

async function storedRetry() {
  const ledger = await startLedger();
  const retry = retriedStep();
  for (const event of retry.events) await ledger.store([event]);
  return { ...ledger, ...retry, left: retry.events.filter((event) => !retry.superseded.includes(event)) };
}

const idsOf = (events: readonly SealedEvent[]): string[] => events.map(({ runId, seq }) => `${runId}:${seq}`);

describe('status', () => {
  it('marks superseded attempts, leaves them out, or shows them like all others', async () => {
    const { url, events, superseded, left } = await storedRetry();
    const status = (...args: string[]) => cli(['status', 'e1', ...args, '--server', url]);
    const marked = await status();
    expect(marked).toMatchObject({ code: 0, stderr: '' });
    expect(marked.stdout).toMatch(/workflow_step_failed {2}plan #1 .* superseded\n/);
    expect(marked.stdout.match(/ superseded\n/g)).toHaveLength(superseded.length + 1);
    expect(marked.stdout).toContain('13 events in 3 runs');

    const one = await status('--collapse', 'superseded');
    expect(one.stdout).not.toContain('plan #1');
    expect(one.stdout).not.toContain('agent-1');
    expect(one.stdout).toMatch(/8 events in 2 runs {2}20→1 tokens {2}without superseded attempts\n/);

    const plain = await status('--collapse', 'none');
    expect(plain.stdout).toBe(marked.stdout.replaceAll(/(#1.*) {2}superseded\n/g, '$1\n'));

    const document = async (mode: string) => JSON.parse((await status('--json', '--collapse', mode)).stdout).events;
    const isMarked = (event: { superseded?: true }) => event.superseded;
    expect(
      (await document('mark'))
        .filter(isMarked)
        .map((one_: { eventId: string }) => one_.eventId)
        .sort(),
    ).toEqual(idsOf(superseded).sort());
    expect(await document('superseded')).toHaveLength(left.length);
    expect((await document('none')).filter(isMarked)).toEqual([]);
    expect(await document('none')).toHaveLength(events.length);
    expect(await status('--collapse', 'some')).toMatchObject({ code: 2, stdout: '' });
  });
});

describe('export', () => {
  it('leaves superseded attempts out where that is wanted, and says so; the rest are exact bytes', async () => {
    const { url, events, superseded, left } = await storedRetry();
    const read = (...args: string[]) => cli(['export', ...args, '--server', url]);
    const raw = { code: 0, stdout: toNdjson(events).toString(), stderr: '' };
    expect(await read()).toEqual(raw);
    expect(await read('--collapse', 'none')).toEqual(raw);
    expect(await read('--collapse', 'mark')).toEqual({
      ...raw,
      stderr: '5 events of superseded attempts among them\n',
    });
    const one = await read('--collapse', 'superseded');
    expect({ code: one.code, stdout: one.stdout }).toEqual({ code: 0, stdout: toNdjson(left).toString() });
    expect(one.stderr).toMatch(/^left out: 5 events of superseded attempts; so this export does not verify/);
    expect(await cli(['verify', '-'], one.stdout)).toMatchObject({ code: 1 });

    // Of agent-1 alone nothing says that there was another attempt.
    const ofAgent = await read('--collapse', 'superseded', '-p', 'agent-1', '-o', path.join(await newDirectory(), 'x'));
    expect(ofAgent).toMatchObject({ code: 0, stderr: expect.stringMatching(/^0 events in .*\nleft out: 3 events/) });
    const file = path.join(await newDirectory(), 'x');
    expect(JSON.parse((await read('--collapse', 'superseded', '-o', file, '--json')).stdout)).toEqual({
      file,
      events: left.length,
      leftOut: 0,
      superseded: superseded.length,
    });
    const ofRun = await read('--collapse', 'superseded', '--run', superseded[1]!.runId);
    expect(ofRun).toMatchObject({ code: 0, stdout: '' });
    // Nothing was changed by reading it.
    expect(await read()).toEqual(raw);
    expect(await cli(['verify', '--server', url])).toMatchObject({ code: 0 });
  });
});

it('rolls up a step that was tried again once, says how its attempts ended, or counts each', async () => {
  const { url } = await storedRetry();
  const table = async (...args: string[]) => (await cli(['rollup', ...args, '--server', url])).stdout;
  expect(await table()).toBe(await table('--collapse', 'superseded'));
  expect(await table()).toMatch(
    /retries +1\n.*\ntokens +20 in, 1 out, in 1 calls\nsuperseded +10 in, 1 out, in 1 calls/,
  );
  expect(await table()).toMatch(/step +executions +failed +retries +p50 +p99 +last error\nplan +1 +0 +1 /);
  expect(await table('--collapse', 'mark')).toMatch(/last error +superseded\nplan +1 +0 +1 .* 1 failed\n/);
  const each = await table('--collapse', 'none');
  expect(each).toMatch(/step +attempts +failed .*\nplan +2 +1 +0 .* E1/);
  expect(each).toMatch(/tokens +30 in, 2 out, in 2 calls/);
  expect(each).not.toContain('superseded');
});

describe('watch', () => {
  async function watched(...args: string[]) {
    const ledger = await startLedger();
    const watching = new Cli(['watch', ...args, '--server', ledger.url]);
    await watching.says('watching', 'stderr');
    const retry = retriedStep();
    for (const event of retry.events) await ledger.store([event]);
    await ledger.store(sealRun({ execution: 'last', events: [{ event: 'invocation_complete' }] }));
    await watching.says(/invocation_complete.*last|"last"/);
    watching.child.kill('SIGINT');
    expect(await watching.ended).toBe(0);
    return { ...retry, lines: watching.stdout.trimEnd().split('\n').slice(0, -1) };
  }

  it('announces in a pipe what became stale, and marks what comes late', async () => {
    const { events, lines } = await watched();
    expect(lines).toHaveLength(events.length + 1);
    const announced = lines.findIndex((line) => line === 'superseded  plan #1  4 events above  e1');
    expect(lines[announced + 1]).toContain('stream_rewind');
    expect(lines.at(-1)).toMatch(/agent-1 +invocation_complete .* superseded$/);
    expect(lines.filter((line) => line.endsWith('superseded'))).toHaveLength(1);
  });

  it('drops what comes late, and looks at all events to announce those that it shows', async () => {
    const { lines } = await watched('--collapse', 'superseded', '--event', 'llm_call', 'invocation_complete');
    expect(lines).toEqual([
      expect.stringMatching(/agent-1 +llm_call +plan #1/),
      'superseded  plan #1  1 event above  e1',
      expect.stringMatching(/agent-2 +llm_call +plan #2/),
      expect.stringMatching(/agent-2 +invocation_complete +plan #2/),
    ]);
  });

  it('speaks NDJSON as ever, unless it is asked for more; stream sequences are the same', async () => {
    const objects = ({ lines }: { lines: string[] }) => lines.map((line) => JSON.parse(line));
    const plain = objects(await watched('--json'));
    const numbers = Array.from({ length: 13 }, (_, index) => index + 1);
    expect(plain.map(({ streamSeq }) => streamSeq)).toEqual(numbers);
    expect(plain.flatMap((one) => Object.keys(one))).not.toContain('superseded');

    const { superseded, ...marked } = await watched('--json', '--collapse', 'mark');
    const [rewind, ...others] = objects(marked).filter((one) => 'rewind' in one);
    expect(others).toEqual([]);
    expect(rewind).toEqual({
      rewind: {
        executionId: 'e1',
        stepId: 'plan',
        epoch: 1,
        supersededEventIds: idsOf(superseded.slice(0, 4)),
      },
    });
    const events = objects(marked).filter((one) => 'streamSeq' in one);
    expect(events.map(({ streamSeq }) => streamSeq)).toEqual(numbers);
    expect(events.map((one) => one.superseded === true)).toEqual(numbers.map((seq) => seq === 13));
  });
});

/** `watch` behind a pseudo-terminal, with what a person sees of it. */
class WatchOnTerminal {
  readonly screen: Screen;
  #written: Promise<void> = Promise.resolve();
  readonly #tty: string;
  readonly #child;

  private constructor(command: string, tty: string, columns: number, rows: number) {
    this.screen = new Screen(columns, rows);
    this.#tty = tty;
    this.#child = spawn('script', ['-qec', command, '/dev/null'], { env: { ...plainEnvironment(), TERM: 'xterm' } });
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => (this.#written = this.screen.write(text)));
    onTestFinished(() => void this.#child.kill('SIGKILL'));
  }

  /** `undefined` where there is no `script` (util-linux has it). */
  static async start(
    url: string,
    columns: number,
    rows: number,
    ...args: string[]
  ): Promise<WatchOnTerminal | undefined> {
    if (spawnSync('script', ['--version']).error !== undefined) return undefined;
    const tty = path.join(await newDirectory(), 'tty');
    const watch = [process.execPath, BIN, 'watch', ...args, '--server', url].join(' ');
    const on = new WatchOnTerminal(`tty >${tty}; stty cols ${columns} rows ${rows}; exec ${watch}`, tty, columns, rows);
    await on.shows('watching');
    return on;
  }

  async shows(text: string | RegExp): Promise<void> {
    await until(async () => (await this.lines()).join('\n').search(text) !== -1);
  }

  async lines(): Promise<string[]> {
    await this.#written;
    return this.screen.lines();
  }

  async resize(columns: number, rows: number): Promise<void> {
    const tty = (await readFile(this.#tty, 'utf8')).trim();
    this.screen.resize(columns, rows);
    spawnSync('stty', ['-F', tty, 'cols', String(columns), 'rows', String(rows)]);
  }

  async end(): Promise<string[]> {
    this.#child.kill('SIGTERM');
    await once(this.#child, 'close');
    return (await this.lines()).map((line) => line.trimEnd());
  }
}

describe('watch on a terminal', () => {
  const first = (count: number, more = {}) =>
    sealRun({
      execution: 'e1',
      events: Array.from({ length: count }, () => ({ event: 'tool_exec', ...at(1), ...more })),
    });
  const second = () => sealRun({ execution: 'e1', events: [{ event: 'llm_call', ...at(2) }] });
  const other = () => sealRun({ execution: 'e1', events: [{ event: 'guardrail_check', ...at(1, 'other') }] });

  it('strikes through what became stale, where it stands, wrapped lines too', async (context) => {
    const ledger = await startLedger();
    const on = await WatchOnTerminal.start(ledger.url, 50, 20);
    if (on === undefined) return context.skip('there is no `script`');
    await ledger.store(first(1));
    await ledger.store(other());
    await ledger.store(first(1));
    await ledger.store(second());
    await on.shows(/llm_call/);
    const [, ...lines] = await on.lines();
    expect(lines.map((line) => line.replace(/.* (\w+) +(\w+ #\d).*?( superseded)?$/, '$1 $2$3'))).toEqual([
      'tool_exec plan #1 superseded',
      'guardrail_check other #1',
      'tool_exec plan #1 superseded',
      'llm_call plan #2',
    ]);
    expect(on.screen.struck().filter((line) => line.includes('tool_exec'))).toHaveLength(2);
  });

  it('takes it away where that is wanted', async (context) => {
    const ledger = await startLedger();
    const on = await WatchOnTerminal.start(ledger.url, 200, 20, '--collapse', 'superseded');
    if (on === undefined) return context.skip('there is no `script`');
    for (const run of [first(2), other(), second(), first(1), other()]) await ledger.store(run);
    await on.shows(/llm_call[^]*guardrail_check/);
    const [, ...lines] = await on.lines();
    expect(lines.map((line) => / (\w+_\w+) /.exec(line)?.[1])).toEqual([
      'guardrail_check',
      'llm_call',
      'guardrail_check',
    ]);
  });

  it('announces what has scrolled away, and is not confused by another width', async (context) => {
    const ledger = await startLedger();
    const on = await WatchOnTerminal.start(ledger.url, 200, 6);
    if (on === undefined) return context.skip('there is no `script`');
    await ledger.store(first(8));
    await until(async () => (await on.lines()).length === 9);
    await ledger.store(second());
    await on.shows(/llm_call/);
    let lines = await on.lines();
    expect(lines.filter((line) => line.endsWith('superseded'))).toHaveLength(5);
    expect(lines).toContain('superseded  plan #1  3 events out of sight  e1');

    await ledger.store(sealRun({ execution: 'e2', events: [{ event: 'tool_exec', ...at(1) }] }));
    await on.shows(/e2/);
    await on.resize(60, 12);
    // A signal is told to the command in a turn of its own: by the next event it knows.
    await ledger.store(other());
    await on.shows(/guardrail_check/);
    await ledger.store(sealRun({ execution: 'e2', events: [{ event: 'llm_call', ...at(2) }] }));
    await on.shows(/llm_call[^]*llm_call/);
    lines = await on.lines();
    expect(lines).toContain('superseded  plan #1  1 event out of sight  e2');
    expect(lines.filter((line) => / tool_exec /.test(line))).toHaveLength(9);
  });

  it('draws nothing of what events say but text', async (context) => {
    const ledger = await startLedger();
    const on = await WatchOnTerminal.start(ledger.url, 40, 20);
    if (on === undefined) return context.skip('there is no `script`');
    const step_id = '\u001b[2J\u001b[9A\u009b31m\u202e\r\nplan';
    const execution = '\u001b[Hex';
    const of = (attempt_epoch: number) => ({
      event: 'tool_exec',
      step_id,
      attempt_epoch,
      workflow_execution_id: execution,
    });
    await ledger.store(sealRun({ events: [of(1), of(2)] }), 'auditEvent.-.-.svc');
    await on.shows(/#2/);
    await ledger.store(sealRun({ events: [of(1)] }), 'auditEvent.-.-.svc');
    await on.shows(/#1[^]*#2[^]*#1/);
    const [, ...lines] = await on.lines();
    expect(lines).toHaveLength(3);
    for (const line of lines) expect(line).toContain('\\x1b[2J\\x1b[9A\\x9b31m\\u202e\\r\\nplan');
    expect(lines.map((line) => line.endsWith('superseded'))).toEqual([true, false, true]);
  });
});
