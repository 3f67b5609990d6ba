import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const execute = promisify(execFile);

// On dist, in a process of its own: what the test runner holds would be counted too.
it('memory stays flat over finished tasks, with and without listeners', async () => {
  // A tenth of what `npm run bench` lets it do.
  const file = fileURLToPath(new URL('../../../../bench/measures/bus-soak.mjs', import.meta.url));
  const { stdout } = await execute(process.execPath, ['--expose-gc', file, JSON.stringify({ tasks: 100_000 })]);
  const { heapGrowthMb, tasks } = JSON.parse(stdout);
  expect(tasks).toBe(100_000);
  // One id and its two places are about 100 bytes: kept for each task, these would be 8 MB and more.
  expect(heapGrowthMb).toBeLessThan(2);
});

it('nothing is left of tasks that were streamed, whether they ended, were left or were come back to', async () => {
  const file = fileURLToPath(new URL('../fixtures/streamed-tasks.mjs', import.meta.url));
  const { stdout } = await execute(process.execPath, ['--expose-gc', file, '3000']);
  const { heapGrowthBytes, listening } = JSON.parse(stdout);
  expect(listening).toBe(false);
  // The three events of a task are 2 kB as text: kept for each, these would be 6 MB and more.
  expect(heapGrowthBytes).toBeLessThan(2_000_000);
});
