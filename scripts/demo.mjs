// npm run demo [-- --json] [-- --executions N]: the main job on real parts.
import { main } from './lib/main.mjs';
import { onInterrupt, run } from './lib/processes.mjs';
import { bringNatsServer, setUp } from './lib/set-up.mjs';
import { ROOT } from './lib/steps.mjs';

await main(async (args) => {
  const out = process.stderr; // Standard output belongs to the demo: with --json its last line is the result.
  await setUp(out);
  const given = process.env['SPANLEDGER_NATS_URL'];
  const server = given ? undefined : await startNatsServer(out);
  try {
    const { code } = await run(process.execPath, ['examples/research-workflow/run.mjs', ...args], {
      cwd: ROOT,
      env: { ...process.env, SPANLEDGER_NATS_URL: given ?? server.url },
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    return code;
  } finally {
    await server?.close();
  }
});

async function startNatsServer(out) {
  await bringNatsServer(out);
  const { startNats } = await import('../packages/testkit/dist/nats-server.js');
  const server = await startNats();
  onInterrupt(() => server.close());
  return server;
}
