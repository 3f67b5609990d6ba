// Answers OTLP/HTTP exports and keeps nothing: the receiving end of the peer, in a process of its own.
import { createServer } from 'node:http';

const server = createServer((request, response) => {
  request.resume().on('end', () => {
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  });
});
server.listen(0, '127.0.0.1', () => process.send({ url: `http://127.0.0.1:${server.address().port}/v1/traces` }));
process.on('disconnect', () => process.exit(0));
