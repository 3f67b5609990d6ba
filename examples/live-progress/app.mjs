// Writes reports in steps, and has each step shown when the ledger has it.
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { taskEvents } from '@spanledger/express';
import { audit, workflow } from '@spanledger/node';
import express from 'express';
import { bus } from './bus.mjs';

const STEPS = ['collect', 'compare', 'draft', 'review', 'publish'];

const app = express();
app.use(express.static(path.join(import.meta.dirname, 'page')));
app.get('/events/:taskId', mayRead, taskEvents({ bus, retryMs: 1_000 }));
app.post('/reports/:taskId', (request, response) => {
  const { taskId } = request.params;
  response.sendStatus(202);
  writeReport(taskId).catch((error) =>
    audit.emit({ event: 'report_failed', taskId, fields: { error: String(error) } }),
  );
});
const server = app.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});

/** The place to ask who it is: the id of a task is no secret. */
function mayRead(request, _response, next) {
  const last = request.get('last-event-id');
  console.log(last === undefined ? 'a page comes' : `a page comes back, after ${last}`);
  next();
}

/** The steps are events of the workflow's run; what has a `taskId` is for the pages of that task. */
function writeReport(taskId) {
  return workflow.run({ workflowId: 'report' }, async (run) => {
    for (const [n, step] of STEPS.entries()) {
      await run.step(step, () => work(step));
      audit.emit({ event: 'report_step', taskId, fields: { step, done: n + 1, of: STEPS.length } });
    }
    audit.emit({ event: 'report_finished', taskId });
  });
}

async function work(step) {
  await delay(500);
  // What a proxy or a tunnel does to pages: they come back by themselves, and the report goes on meanwhile.
  if (step === 'draft') server.closeAllConnections();
}
