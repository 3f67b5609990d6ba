// npm run tamper [-- --count 100000] [-- --clean 1050000] [-- --json]: what the verifier finds of what was done to a ledger.
import { main } from './lib/main.mjs';
import { run } from './lib/processes.mjs';
import { setUp } from './lib/set-up.mjs';
import { ROOT } from './lib/steps.mjs';

await main(async (args) => {
  await setUp(process.stderr); // Standard output belongs to the table, or with --json to the result alone.
  const { code } = await run(process.execPath, ['test/tamper/run.mjs', ...args], {
    cwd: ROOT,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  return code;
});
