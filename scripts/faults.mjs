// npm run faults [-- --quick] [-- --only 3,9] [-- --json]: every fault of the list, for real, and what came of it.
import { main } from './lib/main.mjs';
import { run } from './lib/processes.mjs';
import { bringNatsServer, setUp } from './lib/set-up.mjs';
import { ROOT } from './lib/steps.mjs';

await main(async (args) => {
  const out = process.stderr; // Standard output belongs to the suite: the table, or with --json the result alone.
  await setUp(out);
  await bringNatsServer(out);
  const { code } = await run(process.execPath, ['test/faults/run.mjs', ...args], {
    cwd: ROOT,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  return code;
});
