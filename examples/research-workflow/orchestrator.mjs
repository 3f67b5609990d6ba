// The orchestrator: an Express service that runs the workflow `research-report` once per request.
import { trace } from '@opentelemetry/api';
import { spanledger } from '@spanledger/express';
import { workflow } from '@spanledger/node';
import express from 'express';

const { PLANNER_URL, RESEARCHER_URL, WRITER_URL } = process.env;

const app = express();
app.use(spanledger());
app.use(express.json());

app.post('/reports', async (req, res) => {
  const answer = await workflow.run({ workflowId: 'research-report' }, async (run) => {
    const { topics } = await run.step('plan', () => call(`${PLANNER_URL}/plan`, req.body));
    const notes = await Promise.all(topics.map((topic) => research(run, topic)));
    const { report } = await run.step('write', () => call(`${WRITER_URL}/write`, { notes }));
    return { executionId: run.executionId, traceId: trace.getActiveSpan()?.spanContext().traceId, report };
  });
  res.json(answer);
});

/** One research step: a failed attempt is tried once more, as attempt 2 of the same step. */
async function research(run, topic) {
  const options = { stage: 'research', attempts: 2 };
  const { notes } = await run.step(`research-${topic}`, options, () => call(`${RESEARCHER_URL}/research`, { topic }));
  return notes;
}

async function call(url, body) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${new URL(url).pathname} answered ${response.status}`);
  return response.json();
}

const server = app.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
