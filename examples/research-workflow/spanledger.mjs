// Registered before anything else: node --import ./spanledger.mjs orchestrator.mjs
import { FastifyOtelInstrumentation } from '@fastify/otel';
import { ExpressInstrumentation } from '@opentelemetry/instrumentation-express';
import { genai, http, lifecycle, start } from '@spanledger/node';

// OTEL_SERVICE_NAME names the producer, SPANLEDGER_NATS_URL the server.
await start({
  outbound: { allowedHosts: ['127.0.0.1'] },
  audit: [lifecycle(), genai(), http()],
  instrumentations: [new ExpressInstrumentation(), new FastifyOtelInstrumentation({ registerOnInitialization: true })],
});
