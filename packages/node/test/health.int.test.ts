import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { NodeProcess, temporaryFolder } from './node-process.ts';

const OFF = { status: 'off', accepting: false };

async function says(script: NodeProcess, what: string): Promise<unknown> {
  return JSON.parse(await script.says(new RegExp(`^${what} (.*)$`, 'm')));
}

describe('health()', () => {
  it('is off where nothing was started', async () => {
    expect(await says(new NodeProcess('health.mjs'), 'health')).toEqual(OFF);
  });

  it('is off where OpenTelemetry is disabled and that is allowed', async () => {
    const env = { START: '{"producer":"p","allowDisabled":true}', OTEL_SDK_DISABLED: 'true' };
    const script = new NodeProcess('health.mjs', { env });
    expect(await says(script, 'health')).toEqual(OFF);
    expect(await says(script, 'of the handle')).toEqual(OFF);
  });

  it('is that of the pipeline, with its journal, and accepts nothing after the shutdown', async () => {
    const journal = temporaryFolder();
    const script = new NodeProcess('health.mjs', {
      env: { START: '{"producer":"p"}' },
      cwd: temporaryFolder(),
      journal,
    });
    const health = (await says(script, 'health')) as { journal: { folder: string } };
    expect(health).toMatchObject({
      status: 'ok',
      accepting: true,
      sink: { name: 'file', healthy: true },
      queue: { events: 0, bytes: 0 },
      journal: { unacknowledged: 0, healthy: true },
      losses: { events: 0, unreported: 0 },
    });
    expect(path.dirname(health.journal.folder)).toBe(path.join(journal, 'p'));
    expect(await says(script, 'of the handle')).toMatchObject({ status: 'ok' });
    expect(await says(script, 'after')).toMatchObject({ status: 'failing', accepting: false });
  });
});
