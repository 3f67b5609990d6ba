// The plan step's agent, on Fastify.
import { spanledger } from '@spanledger/fastify';
import fastify from 'fastify';
import { chat } from './model.mjs';

const app = fastify();
await app.register(spanledger);

app.post('/plan', async (request) => {
  await chat('planner-1', `Plan a report on ${request.body.subject}`);
  return { topics: ['history', 'market', 'risks'] };
});

const url = await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT ?? 0) });
console.log(`listening on ${url}`);
