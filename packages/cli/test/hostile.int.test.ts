import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { GENESIS_HASH } from '@spanledger/protocol';
import { expect, it } from 'vitest';
import { visible } from '../src/terminal/visible.ts';
import { BIN, Cli, cli, newDirectory, startLedger } from './support.ts';
import type { Run } from './support.ts';

/** Clears the screen, sets the title, moves the cursor; C1 forms of it; turns the direction; hides; breaks the line. */
const EVIL = '\u001b[2J\u001b]0;owned\u0007\u009b31m\u0090\u202etxt\u2066\u200b\ufeff\r\n\t\u007f\u2028\ud800\u{e0041}';
// oxlint-disable-next-line no-control-regex -- control characters are what must not be there
const UNSAFE = /(?!\n)[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;
/** Colours, which are the program's own. */
// oxlint-disable-next-line no-control-regex -- as above
const OWN_COLORS = /\u001b\[\d+m/g;

function expectSafe({ stdout, stderr }: Pick<Run, 'stdout' | 'stderr'>): void {
  expect(UNSAFE.exec(stdout)).toBeNull();
  expect(UNSAFE.exec(stderr)).toBeNull();
}

/** An event with a hostile text in every place that takes one. */
function evilEvent(runId: string, seq: number, more: object = {}): string {
  return JSON.stringify({
    ts: `2026-01-01T00:00:00${EVIL}`,
    event: `tool_exec${EVIL}`,
    producer: `svc${EVIL}`,
    run_id: runId,
    seq,
    prev_hash: seq === 1 ? GENESIS_HASH : EVIL.padEnd(64, 'x').slice(0, 64),
    workflow_id: `wf${EVIL}`,
    workflow_execution_id: 'e1',
    step_id: EVIL,
    attempt_epoch: EVIL,
    duration_ms: EVIL,
    model: EVIL,
    input_tokens: EVIL,
    span_id: EVIL,
    fields: { status: 'error', error_message: EVIL, reason: EVIL },
    ...more,
  });
}

const DEEP = `${'['.repeat(20_000)}${']'.repeat(20_000)}`;

function hostileLines(): string[] {
  const evilRun = `run${EVIL}`;
  const fields = { run_id: evilRun, first_seq: 5, last_seq: 9, last_hash: 'a'.repeat(64), count: EVIL, reason: EVIL };
  return [
    evilEvent(evilRun, 1),
    evilEvent(evilRun, 2, { producer: `other${EVIL}` }),
    evilEvent(evilRun, 2, { model: 'rival' }),
    evilEvent(evilRun, 4, { event: 'audit_loss', fields }),
    evilEvent(randomUUID(), 9_007_199_254_740_991, { fields: [EVIL] }),
    evilEvent(randomUUID(), 1, { fields: 'text' }),
    evilEvent(randomUUID(), 1).replace('"fields":{', `"fields":{"deep":${DEEP},`),
    evilEvent(randomUUID(), 1).replace(
      '"fields":{',
      '"__proto__":{"seq":7,"polluted":true},"fields":{"__proto__":{"x":1},',
    ),
    `{"event":"${EVIL}","seq":1`,
    EVIL.replaceAll('\n', ''),
    DEEP,
    '{"truncated":',
    'null',
    '[]',
    '\0\0\0',
  ];
}

it('shows no control character of the ledger, whatever the command', async () => {
  const { url, publish } = await startLedger();
  const watching = new Cli(['watch', '--since', '1h', '--server', url]);
  const watchingJson = new Cli(['watch', '--since', '1h', '--json', '--server', url]);
  const lines = hostileLines();
  for (const line of lines) await publish(`auditEvent.wf.e1.svc`, line);
  const env = { SPANLEDGER_NATS_URL: url };
  for (const args of [
    ['verify', '--all', '--runs'],
    ['verify', '--execution', 'e1'],
    ['verify', '--json', '--runs'],
    ['status', 'e1'],
    ['status', 'e1', '--json'],
  ]) {
    const run = await cli(args, undefined, env);
    expect(run).toMatchObject({ code: 1, stderr: '' });
    expectSafe(run);
    if (args.includes('--json')) expect(typeof JSON.parse(run.stdout)).toBe('object');
    const { stdout, stderr } = await cli(args, undefined, { ...env, FORCE_COLOR: '1' });
    expectSafe({ stdout: stdout.replace(OWN_COLORS, ''), stderr });
  }
  for (const one of [watching, watchingJson]) {
    await one.says(new RegExp(`(stream seq |"streamSeq":)${lines.length}`));
    one.child.kill('SIGINT');
    expect(await one.ended).toBe(0);
    expectSafe(one);
  }
  expect(watching.stdout.trimEnd().split('\n')).toHaveLength(lines.length);
  const printed = watchingJson.stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(printed[0].event.model).toBe(EVIL);
});

it('takes anything from standard input and from files', async () => {
  const lines = hostileLines().join('\n');
  for (const args of [
    ['verify', '-'],
    ['verify', '-', '--json'],
  ]) {
    const run = await cli(args, lines);
    expect(run).toMatchObject({ code: 1, stderr: '' });
    expectSafe(run);
  }
  const directory = await newDirectory();
  const file = path.join(directory, `led\u001b[31mger.ndjson`);
  await writeFile(file, lines);
  const run = await cli(['verify', file]);
  expect(run.code).toBe(1);
  expectSafe(run);
  expectSafe(await cli(['verify', path.join(directory, EVIL.replaceAll('\0', ''))]));
});

it('takes a line of 100 MB from standard input, in bounded memory', async () => {
  const run = new Cli(['verify', '-'], { NODE_OPTIONS: '--max-old-space-size=128' });
  const chunk = Buffer.alloc(1024 * 1024, 'x');
  for (let i = 0; i < 100; i += 1) {
    if (!run.child.stdin!.write(chunk)) await new Promise((resolve) => run.child.stdin!.once('drain', resolve));
  }
  run.child.stdin!.end('\n');
  expect(await run.ended).toBe(1);
  expect(run.stdout).toMatch(/unparsable {2}standard input:1\n/);
  expect(run.stderr).toBe('');
});

it('escapes arguments that it repeats', async () => {
  const { url } = await startLedger();
  for (const args of [
    ['status', EVIL],
    [EVIL],
    ['verify', '--since', EVIL],
    ['verify', `--${EVIL}`],
    ['export', '--run', EVIL],
  ]) {
    const run = await cli([...args, '--server', url].map((arg) => arg.replaceAll('\0', '')));
    expect([1, 2]).toContain(run.code);
    expectSafe(run);
  }
});

it('exports to a terminal in a form that is safe to look at, and to a pipe as it is', async (context) => {
  const { url, publish } = await startLedger();
  const bytes = '{"a":"\u009b31m\u202e"}\u001b[2J';
  await publish('auditEvent.wf.e1.svc', bytes);
  const args = ['export', '--server', url];
  expect((await cli(args)).stdout).toBe(`${bytes}\n`);
  // util-linux has it.
  const command = [process.execPath, BIN, ...args].join(' ');
  const onTerminal = spawnSync('script', ['-qec', command, '/dev/null'], { encoding: 'utf8', timeout: 120_000 });
  if (/ENOENT/.test(String(onTerminal.error))) return context.skip('there is no `script`');
  expect(onTerminal.stdout).toBe('{"a":"\\x9b31m\\u202e"}\\x1b[2J\r\n');
});

it('makes everything visible that a terminal would hide or obey', () => {
  expect(visible(EVIL)).toBe(
    '\\x1b[2J\\x1b]0;owned\\x07\\x9b31m\\x90\\u202etxt\\u2066\\u200b\\ufeff\\r\\n\\t\\x7f\\u2028\\ud800\\u{e0041}',
  );
  expect(visible('日本語 é ✓ 😀')).toBe('日本語 é ✓ 😀');
  expect(visible('x'.repeat(1_000), 10)).toBe('xxxxxxxxxx…');
});
