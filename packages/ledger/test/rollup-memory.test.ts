import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const fixture = fileURLToPath(new URL('fixtures/rollup-memory.mjs', import.meta.url));

/** In a process of its own, on the built package: a heap that is too small ends it. */
it('sums a million events of 100,000 executions up in a heap of 96 MB', { timeout: 600_000 }, async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--max-old-space-size=96',
    fixture,
    '100000',
    '1000',
  ]);
  const { peakMb, seconds, ...result } = JSON.parse(stdout) as Record<string, number>;
  expect(result).toEqual({
    executions: 100_000,
    completed: 100_000,
    retries: 100_000,
    tokens: 10_000_000,
    evicted: 0,
    lateEvents: 0,
  });
  expect(peakMb).toBeLessThan(220);
  expect(seconds).toBeGreaterThan(0);
});
