import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import type { NatsServer } from '@spanledger/testkit';
import { onTestFinished } from 'vitest';

/** Runs `examples/<name>/run.mjs` to its end, with the built packages; nothing that it starts outlives the test. */
export async function runExample(
  name: string,
  nats: NatsServer,
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, ['run.mjs'], {
    cwd: path.resolve(import.meta.dirname, '../../examples', name),
    env: {
      ...process.env,
      NODE_OPTIONS: '',
      SPANLEDGER_NATS_URL: nats.url,
      SPANLEDGER_JOURNAL_DIR: path.join(nats.dir, 'journal'),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  onTestFinished(() => {
    try {
      process.kill(-child.pid!, 'SIGKILL');
    } catch {
      // All of it has ended, as it should.
    }
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr += chunk));
  await once(child, 'close');
  return { code: child.exitCode, stdout, stderr };
}
