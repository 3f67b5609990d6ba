import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, it } from 'vitest';
import { cli, newDirectory } from './support.ts';

const attribute = (key: string, value: object) => ({ key, value });

function otlp(spans: readonly object[], scope = '@acme/http'): string {
  return JSON.stringify({ resourceSpans: [{ resource: {}, scopeSpans: [{ scope: { name: scope }, spans }] }] });
}

const SERVED = {
  traceId: 'a'.repeat(32),
  spanId: 'b'.repeat(16),
  name: 'GET /users/:id',
  kind: 2,
  attributes: [attribute('http.request.method', { stringValue: 'GET' }), attribute('n', { intValue: '7' })],
};
const CALLED = { ...SERVED, spanId: 'c'.repeat(16), name: 'GET', kind: 'SPAN_KIND_CLIENT', status: { code: 2 } };
const CHARGED = { ...SERVED, spanId: 'd'.repeat(16), name: 'charge', kind: 1, attributes: [], status: { code: 2 } };

it('says which rule takes a span, as what, and what the others miss', async () => {
  const { code, stdout } = await cli(['explain', '-'], otlp([SERVED, CALLED]));
  expect(code).toBe(0);
  expect(stdout).toMatch(/^GET \/users\/:id {2}http_request {2}server.*\n {4}audit\[1\]\[0\] takes it\n/);
  expect(stdout).toMatch(/\nGET {2}no event {2}client.*\n(.*\n)* {4}audit\[1\]\[0\] misses kind 1\n/);
  const one = await cli(['explain', '-', '--span', 'd'.repeat(16), '--all', '--json'], otlp([SERVED, CHARGED]));
  expect(JSON.parse(one.stdout).spans).toMatchObject([
    { name: 'charge', kind: 'internal', events: [], scope: '@acme/http' },
  ]);
  expect(JSON.parse(one.stdout).spans[0].rules).toHaveLength(7);
});

it('takes the rules of a service from a module, and documents line by line', async () => {
  const directory = await newDirectory();
  const rules = path.join(directory, 'rules.mjs');
  await writeFile(
    rules,
    `export const audit = [
      { when: { name: 'charge' }, event: { start: 'payment_started', end: 'payment', error: 'payment_failed' } },
      { when: { attributes: { n: 7 }, scope: /^@acme/ }, event: 'seven' },
    ];`,
  );
  const file = path.join(directory, 'spans.json');
  await writeFile(file, `${otlp([SERVED])}\n${otlp([CHARGED])}\n`);
  const { code, stdout } = await cli(['explain', file, '--rules', rules]);
  expect(code).toBe(0);
  expect(stdout).toMatch(/:id {2}seven {2}.*\n {4}audit\[1\] takes it\n/);
  expect(stdout).toMatch(/charge {2}payment_started, payment_failed {2}.*\n {4}audit\[0\] takes it, at the start\n/);
});

it('takes no other file, and no bad rules', async () => {
  const directory = await newDirectory();
  const bad = path.join(directory, 'bad.mjs');
  await writeFile(bad, 'export default [{ when: {}, event: "x" }];');
  const none = path.join(directory, 'none.mjs');
  await writeFile(none, 'export const x = 1;');
  const json = otlp([SERVED]);
  for (const [args, input] of [
    [['-'], '{}'],
    [['-'], '[1'],
    [['-'], ''],
    [['-'], '['.repeat(20_000)],
    [['nowhere.json'], ''],
    [['-', '--rules', bad], json],
    [['-', '--rules', none], json],
    [['-', '--rules', path.join(directory, 'nowhere.mjs')], json],
  ] as const) {
    const run = await cli(['explain', ...args], input);
    expect({ args, code: run.code, stdout: run.stdout }).toEqual({ args, code: 2, stdout: '' });
    expect(run.stderr).toMatch(/^error: /);
  }
  expect(await cli(['explain', '-', '--span', 'nobody'], json)).toMatchObject({ code: 1, stdout: '' });
});

it('survives hostile spans, and shows none of their control characters', async () => {
  const evil = '\u001b[2J\u009b31m\u202e';
  const deep = `${'{"arrayValue":{"values":['.repeat(20_000)}${']}}'.repeat(20_000)}`;
  const hostile = [
    { ...SERVED, name: evil, spanId: evil },
    { name: 7, kind: 99, attributes: 'none', status: [], events: {} },
    {
      ...SERVED,
      attributes: [attribute('__proto__', { stringValue: 'x' }), attribute('d', { DEEP: 1 }), { key: 1 }, null],
    },
    { ...SERVED, attributes: [attribute('forge.audit.event', { stringValue: evil })] },
  ];
  for (const args of [['--all'], ['--json']]) {
    const run = await cli(['explain', '-', ...args], otlp(hostile, evil).replace('{"DEEP":1}', deep));
    expect(run).toMatchObject({ code: 0, stderr: '' });
    expect(/(?!\n)[\p{Cc}\p{Cf}]/u.exec(run.stdout)).toBeNull();
  }
});
