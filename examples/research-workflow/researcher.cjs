// The research steps' agent: Express, in CommonJS. The orchestrator calls it three times at once in one execution.
const { spanledger } = require('@spanledger/express');
const { currentWorkflow } = require('@spanledger/node');
const express = require('express');
const { callTool, chat } = require('./model.mjs');

const app = express();
app.use(spanledger());
app.use(express.json());

app.post('/research', async (req, res) => {
  const { topic } = req.body;
  const sources = await callTool('search', async () => [`${topic}-1`, `${topic}-2`]);
  // A source that is down for a moment: the first attempt fails, the second one succeeds.
  if (topic === 'risks' && currentWorkflow()?.attempt === 1) {
    res.status(503).json({ error: 'source unavailable' });
    return;
  }
  res.json({ topic, notes: await chat('researcher-1', `${topic}: ${sources.join(', ')}`) });
});

app.post('/check', async (req, res) => {
  await callTool('fact_check', async () => req.body.text.length);
  res.json({ ok: true });
});

const server = app.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
