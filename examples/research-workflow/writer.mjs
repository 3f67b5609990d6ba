// The write step's agent, on Express. It calls another agent to have its text checked.
import { spanledger } from '@spanledger/express';
import express from 'express';
import { chat } from './model.mjs';

const app = express();
app.use(spanledger());
app.use(express.json());

app.post('/write', async (req, res) => {
  const text = await chat('writer-1', req.body.notes.join('\n'));
  const check = await fetch(`${process.env.RESEARCHER_URL}/check`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ text }),
  });
  res.json({ report: text, checked: check.ok });
});

const server = app.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
