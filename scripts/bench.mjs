// npm run bench [-- --json]: what Spanledger costs, beside its peers.
import { main } from './lib/main.mjs';
import { run } from './lib/processes.mjs';
import { bringNatsServer, setUp } from './lib/set-up.mjs';
import { ROOT } from './lib/steps.mjs';

await main(async (args) => {
  const out = process.stderr; // Standard output belongs to the benchmark: with --json its last line is the result.
  await setUp(out);
  await bringNatsServer(out);
  const { code } = await run(process.execPath, ['bench/run.mjs', ...args], {
    cwd: ROOT,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  return code;
});
