// Starts the four services as processes of their own, and stops them again.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('.', import.meta.url));

/** @returns `start`, which answers with the orchestrator's URL once all four accept requests, and `stop`. */
export function researchServices(natsUrl, onStarted) {
  const processes = [];
  const spawnService = async (name, file, env = {}) => {
    const service = spawn(process.execPath, ['--import', './spanledger.mjs', file], {
      cwd: folder,
      env: { ...process.env, OTEL_SERVICE_NAME: name, SPANLEDGER_NATS_URL: natsUrl, PORT: '0', ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    processes.push(service);
    const url = await urlOf(service, name);
    onStarted(name, url);
    return url;
  };

  async function start() {
    const [PLANNER_URL, RESEARCHER_URL] = await Promise.all([
      spawnService('planner-agent', 'planner.mjs'),
      spawnService('research-agent', 'researcher.cjs'),
    ]);
    const WRITER_URL = await spawnService('writer-agent', 'writer.mjs', { RESEARCHER_URL });
    return spawnService('research-orchestrator', 'orchestrator.mjs', { PLANNER_URL, RESEARCHER_URL, WRITER_URL });
  }

  return { start, stop: () => Promise.all(processes.map(stopService)) };
}

async function urlOf(service, name) {
  for await (const line of createInterface({ input: service.stdout })) {
    const url = /^listening on (\S+)$/.exec(line)?.[1];
    if (url !== undefined) {
      service.stdout.resume();
      return url;
    }
  }
  throw new Error(`${name} ended before it was listening`);
}

/** SIGTERM lets a service store what it has sealed before it ends. */
async function stopService(service) {
  if (service.exitCode !== null || service.signalCode !== null) return;
  service.kill('SIGTERM');
  await once(service, 'exit');
}
