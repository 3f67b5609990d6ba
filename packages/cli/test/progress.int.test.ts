import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { open, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { BIN, cli, newDirectory, plainEnvironment, plainRun, toNdjson } from './support.ts';

it('shows on a terminal how far a long work is, and takes it away again', async (context) => {
  // util-linux has it: it is the terminal.
  if (spawnSync('script', ['--version']).error !== undefined) return context.skip('there is no `script`');
  const file = path.join(await newDirectory(), 'led{bar}ger.ndjson');
  execFileSync('mkfifo', [file]);
  const command = `"${process.execPath}" "${BIN}" verify "${file}"`;
  const terminal = spawn('script', ['-qec', command, '/dev/null'], { env: { ...plainEnvironment(), TERM: 'xterm' } });
  onTestFinished(() => void terminal.kill('SIGKILL'));
  const closed = once(terminal, 'close');
  let shown = '';
  terminal.stdout.setEncoding('utf8').on('data', (chunk: string) => (shown += chunk));
  const events = toNdjson(plainRun(3));
  const writer = await open(file, 'w');
  // A work that takes as long as it takes until it is long.
  while (!/led_bar_ger\.ndjson \d{3,}/.test(shown)) {
    await writer.write(events);
    await delay(20);
  }
  await writer.close();
  const [code] = await closed;
  expect(code).toBe(0);
  const eraseLine = '\u001b[2K';
  expect(shown.lastIndexOf(eraseLine)).toBeGreaterThan(shown.lastIndexOf('led_bar_ger'));
  expect(shown.slice(shown.lastIndexOf(eraseLine))).toMatch(/events +5\r\n[^]*VERIFIED/);
});

it('draws nothing where there is no terminal', async () => {
  const file = path.join(await newDirectory(), 'ledger.ndjson');
  await writeFile(file, Buffer.concat(Array.from({ length: 20_000 }, () => toNdjson(plainRun(0)))));
  expect(await cli(['verify', file])).toMatchObject({ code: 0, stderr: '' });
});
