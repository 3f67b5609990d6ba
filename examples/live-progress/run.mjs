// The demo: starts the application, and is its page. Without a browser, with the same code.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { EventSource } from 'eventsource';
import { watchReport } from './page/watch-report.mjs';

globalThis.EventSource = EventSource;

const app = spawn(process.execPath, ['--import', './spanledger.mjs', 'app.mjs'], {
  cwd: import.meta.dirname,
  stdio: ['ignore', 'pipe', 'inherit'],
});
const output = createInterface({ input: app.stdout }).on('line', (line) => console.log(`app:  ${line}`));
try {
  const [listening] = await once(output, 'line');
  const url = listening.replace('listening on ', '');
  const end = await watchReport(url, (line) => console.log(`page: ${line}`));
  process.exitCode = end === 'report_finished' ? 0 : 1;
} finally {
  app.kill();
}
