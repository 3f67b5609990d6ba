import type { Attributes, Span } from '@opentelemetry/api';
import { readTranscript } from '@spanledger/protocol';
import type { TranscriptRecord } from '@spanledger/protocol';
import { genai } from '../src/index.ts';
import { inRun, traced } from './span-fixture.ts';
import type { TestEvent, Traced, TracedOptions } from './span-fixture.ts';
import { sha256 } from './support.ts';

export const CHAT = { 'gen_ai.operation.name': 'chat', 'gen_ai.request.model': 'm' } as const;
export const INPUT = [
  { role: 'user', parts: [{ type: 'text', content: 'I am Ann' }] },
  { role: 'assistant', parts: [{ type: 'tool_call', id: 'c1', name: 'find', arguments: { who: 'Ann' } }] },
];
export const OUTPUT = [{ role: 'assistant', parts: [{ type: 'text', content: 'Hello Ann' }], finish_reason: 'stop' }];
export const MESSAGES = {
  'gen_ai.input.messages': JSON.stringify(INPUT),
  'gen_ai.output.messages': JSON.stringify(OUTPUT),
};
export const withTranscripts = (options: TracedOptions = {}): Traced =>
  traced({
    rules: genai(),
    maxTranscriptBytes: 100_000_000,
    ...options,
    pipelineOptions: { transcripts: true, ...options.pipelineOptions },
  });

/** One call of a model, and what the ledger says of it. */
export async function call(
  subject: Traced,
  attributes: Attributes,
  tell: (span: Span) => unknown = () => {},
): Promise<TestEvent> {
  const span = subject.tracer.startSpan('chat m', { attributes: { ...CHAT, ...attributes } }, inRun());
  tell(span);
  span.end();
  return (await subject.events()).findLast(({ event }) => event === 'llm_call')!;
}

interface Reference {
  readonly kind: string;
  readonly seq: string;
  readonly digest: string;
  readonly chunks: number;
}

export const references = (event: TestEvent): Reference[] => (event.fields?.['transcripts'] ?? []) as Reference[];

/** The transcripts of an event: by its digests, and by nothing else. */
export function recordsOf({ sink }: Traced, event: TestEvent): TranscriptRecord[] {
  const messages = sink.transcripts.map(({ bytes }) => bytes);
  return references(event).map(({ digest }) => {
    const reading = readTranscript(messages, digest, sha256);
    if (reading.status !== 'ok') throw new Error(reading.status);
    return reading.record;
  });
}

export const contentsOf = (subject: Traced, event: TestEvent): unknown =>
  Object.fromEntries(recordsOf(subject, event).map(({ kind, content }) => [kind, content]));

export function ledgerText({ sink }: Traced): string {
  return sink.records.map(({ bytes }) => String(Buffer.from(bytes))).join('\n');
}
