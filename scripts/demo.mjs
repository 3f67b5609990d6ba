// npm run demo [-- --json] [-- --executions N]: the main job on real parts. npm run demo -- durable-loop, or live-progress: the other examples.
import { existsSync } from 'node:fs';
import path from 'node:path';
import { main } from './lib/main.mjs';
import { onInterrupt, run } from './lib/processes.mjs';
import { bringNatsServer, setUp } from './lib/set-up.mjs';
import { ROOT } from './lib/steps.mjs';

await main(async (args) => {
  const out = process.stderr; // Standard output belongs to the demo: with --json its last line is the result.
  const named = args[0]?.startsWith('-') === false;
  const demo = `examples/${named ? args[0] : 'research-workflow'}/run.mjs`;
  if (!existsSync(path.join(ROOT, demo))) throw new Error(`there is no ${demo}`);
  await setUp(out);
  const given = process.env['SPANLEDGER_NATS_URL'];
  const server = given ? undefined : await startNatsServer(out);
  try {
    const { code } = await run(process.execPath, [demo, ...args.slice(named ? 1 : 0)], {
      cwd: ROOT,
      // What is left for the next process goes with the server that it is for.
      env: {
        ...process.env,
        ...(server && { SPANLEDGER_NATS_URL: server.url, SPANLEDGER_JOURNAL_DIR: path.join(server.dir, 'journal') }),
      },
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
