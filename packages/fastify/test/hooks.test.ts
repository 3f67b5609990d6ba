import { fileURLToPath } from 'node:url';
import { HttpService } from '@spanledger/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const setup = new URL('fixtures/telemetry.mjs', import.meta.url).href;
const script = fileURLToPath(new URL('fixtures/service.mjs', import.meta.url));

const versions = ['fastify4', 'fastify'];
const parts = [
  {},
  { INSTRUMENT: 'http' },
  { OTEL_PLUGIN: 'before' },
  { OTEL_PLUGIN: 'after' },
  { OTEL_PLUGIN: 'before', INSTRUMENT: 'http' },
  { OTEL_PLUGIN: 'after', INSTRUMENT: 'http' },
  { PROPAGATOR: 'none' },
];

describe.each(versions.flatMap((FASTIFY) => parts.map((part) => ({ FASTIFY, ...part }))))(
  'every hook is in the run: %j',
  (env) => {
    let service: HttpService;
    beforeAll(async () => void (service = await HttpService.start({ script, setup, env })));
    afterAll(() => service?.dispose());

    it.each([
      [
        '/hooks',
        [
          'onRequest',
          'preParsing',
          'preValidation',
          'preHandler',
          'handler',
          'preSerialization',
          'onSend',
          'onResponse',
        ],
      ],
      [
        '/hooks-throw',
        ['onRequest', 'preParsing', 'preValidation', 'preHandler', 'onError', 'error-handler', 'onSend', 'onResponse'],
      ],
    ])('%s', async (path, hooks) => {
      const mark = `mark-${path}`;
      const response = await fetch(`http://127.0.0.1:${service.port}${path}?mark=${mark}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-workflow-step-id': 'hooked' },
        body: JSON.stringify({ text: 'x'.repeat(90_000) }),
      });
      await response.text();
      await expect
        .poll(async () => placesIn(await service.runSoFar(mark)), { timeout: 120_000 })
        .toHaveLength(hooks.length);
      const run = await service.endedRun(mark);
      expect(placesIn(run).sort()).toEqual([...hooks].sort());
      for (const event of run) expect(event.step_id).toBe('hooked');
    });
  },
);

function placesIn(run: Awaited<ReturnType<HttpService['events']>>): unknown[] {
  return run.filter(({ event }) => event === 'work').map(({ fields }) => fields?.['at']);
}
