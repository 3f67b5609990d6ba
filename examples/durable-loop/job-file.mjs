// What a durable engine keeps in its database: which attempts of which steps were begun, and what came out of those that are done.
import { randomUUID } from 'node:crypto';
import { open, readFile, rename } from 'node:fs/promises';
import path from 'node:path';

/** @returns the job in this file; a new one, if there is none. */
export async function openJob(file) {
  const job = (await readJob(file)) ?? { executionId: randomUUID(), steps: {} };
  await writeJob(file, job);
  const stepOf = (name) => (job.steps[name] ??= { attempt: 0 });
  return {
    executionId: job.executionId,

    /** `{ value }` of a step that is done. */
    resultOf: (name) => stepOf(name).result,

    /** On the disk before anything is done: whoever starts again knows that this attempt was begun. */
    async beginAttempt(name) {
      const step = stepOf(name);
      step.attempt += 1;
      await writeJob(file, job);
      return step.attempt;
    },

    async complete(name, value) {
      stepOf(name).result = { value };
      await writeJob(file, job);
    },
  };
}

async function readJob(file) {
  try {
    return JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** The old one or the new one, whenever the power fails. */
async function writeJob(file, job) {
  const part = `${file}.part`;
  const handle = await open(part, 'w');
  await handle.writeFile(JSON.stringify(job));
  await handle.sync();
  await handle.close();
  await rename(part, file);
  const folder = await open(path.dirname(file));
  await folder.sync();
  await folder.close();
}
