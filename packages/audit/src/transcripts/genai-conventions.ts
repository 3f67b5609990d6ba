/** A model's input or its output. */
export type ContentKind = 'input' | 'output';

export const CONTENT_KINDS = ['input', 'output'] as const satisfies readonly ContentKind[];

/** Where OpenTelemetry's conventions put each kind, with the current names and the older ones. */
export const PLACES = {
  input: { messages: 'gen_ai.input.messages', text: 'gen_ai.prompt', event: 'gen_ai.content.prompt' },
  output: { messages: 'gen_ai.output.messages', text: 'gen_ai.completion', event: 'gen_ai.content.completion' },
} as const;

export type Place = (typeof PLACES)[ContentKind];

/** Part of the input. */
export const SYSTEM_INSTRUCTIONS = 'gen_ai.system_instructions';

/** The event that has what the attributes of a span have. */
export const DETAILS_EVENT = 'gen_ai.client.inference.operation.details';

/** The body of a message event, where that is an attribute. */
export const EVENT_BODY = 'gen_ai.event.content';

const MESSAGE_EVENT = /^gen_ai\.(system|user|assistant|tool)\.message$/;
const CHOICE_EVENT = 'gen_ai.choice';

/** @returns the role of a message event of this kind; `undefined` for any other event. */
export function roleOf(event: string, kind: ContentKind): string | undefined {
  if (kind === 'output') return event === CHOICE_EVENT ? 'assistant' : undefined;
  return MESSAGE_EVENT.exec(event)?.[1];
}

/** An event of these conventions: of a span, or a log record. */
export interface ContentEvent {
  readonly name: string;
  readonly attributes?: Readonly<Record<string, unknown>>;
}
