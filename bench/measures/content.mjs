// What the hook takes for the content of a model call, where transcripts are turned on: it is read, searched for secrets and hashed in it.
import { AuditSpanProcessor, createAuditPipeline, genai, memorySink } from '@spanledger/audit';
import { WorkflowSampler, WorkflowSpanProcessor } from '@spanledger/otel';
import { input, report } from '../measure.mjs';
import { AlwaysOnSampler, tracerOf } from '../spans.mjs';
import { median } from '../statistics.mjs';

/** UTF-16 units: a conversation of 64 messages that is just within the default of `contentMax`. */
const MESSAGES = 64;
const MESSAGE_UNITS = 4_000;
const UNITS = MESSAGES * MESSAGE_UNITS;
/** As people write to models: words that names of secrets are made of among them, so that the search has to look closer. */
const SENTENCES = [
  'Please read the report of the last quarter, and say in three sentences what has changed since then. ',
  'The invoice 2024-1187 was paid on 3 May; the total of 1,240.50 EUR includes tax and shipping. ',
  'Each request has a token, which is checked before the key of the customer is looked up. ',
  'If the tool answers with an error, wait a second, try it again, and tell me how often you did. ',
];

const sink = memorySink({ maxTranscriptBytes: 2 ** 30 });
const pipeline = createAuditPipeline({ producer: 'bench', sink, transcripts: true });
const audit = new AuditSpanProcessor({ pipeline, rules: [genai()] });
const tracer = tracerOf([new WorkflowSpanProcessor(), audit], new WorkflowSampler(new AlwaysOnSampler()));
const attributes = { 'gen_ai.operation.name': 'chat', 'gen_ai.request.model': 'm', 'gen_ai.input.messages': content() };

const taken = [];
for (let i = 0; i < input.spans; i += 1) {
  taken.push(hookMs());
  await pipeline.flush();
}
const { stored } = pipeline.health().transcripts;
if (stored !== input.spans) throw new Error(`${stored} transcripts were stored`);
await pipeline.shutdown();
// The first quarter warms up.
const ms = median(taken.slice(Math.floor(input.spans / 4)));
report({ msPerMillionUnits: (ms / UNITS) * 1e6 });

/** CPU of the end of one span, which does all of it in one turn. What the hook does besides takes some microseconds. */
function hookMs() {
  const span = tracer.startSpan('chat m', { attributes });
  const started = process.cpuUsage();
  span.end();
  const { user, system } = process.cpuUsage(started);
  return (user + system) / 1e3;
}

function content() {
  const messages = Array.from({ length: MESSAGES }, (_, i) => {
    const text = SENTENCES.map((_sentence, at) => SENTENCES[(i + at) % SENTENCES.length]).join('');
    const role = i % 2 === 0 ? 'user' : 'assistant';
    return { role, parts: [{ type: 'text', content: text.repeat(MESSAGE_UNITS / 100).slice(0, MESSAGE_UNITS) }] };
  });
  return JSON.stringify(messages);
}
