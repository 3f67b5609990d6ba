import { SpanledgerError } from '@spanledger/protocol';
import type { ContentKind } from './genai-conventions.ts';
import type { GivenMessage } from './redact-transcript.ts';

/** What a model was told, or what it answered, as a span has it: nothing of it is copied yet, so it must be sealed in the same turn (I1). */
export interface GenAiContent {
  readonly kind: ContentKind;
  readonly content: string | readonly GivenMessage[];
}

/** A value in which content was found, or one of several that stand for a message each. */
export type ContentSource = { readonly role?: string; readonly value: unknown };

/**
 * Several sources as one content: messages where all of them are; a text as it is where it is all there is.
 *
 * @throws SpanledgerError `SPANLEDGER_TRANSCRIPT` if they have more than `contentMax` UTF-16 units.
 */
export function joinSources(sources: readonly ContentSource[], contentMax: number): GenAiContent['content'] {
  let units = 0;
  for (const { value } of sources) units += unitsOf(value);
  if (units > contentMax) throw tooLarge(units, contentMax);
  const [first] = sources;
  if (sources.length === 1 && first?.role === undefined && typeof first?.value === 'string') {
    return messagesIn(first.value) ?? first.value;
  }
  return sources.flatMap(toMessages);
}

/** UTF-16 units of a text, or of the JSON of anything else. */
export function unitsOf(value: unknown): number {
  return typeof value === 'string' ? value.length : JSON.stringify(value).length;
}

export function tooLarge(units: number, contentMax: number): SpanledgerError {
  const message = `a content has ${units} UTF-16 units, and at most ${contentMax} are taken from a span`;
  return new SpanledgerError('SPANLEDGER_TRANSCRIPT', message);
}

function toMessages({ role, value }: ContentSource): readonly GivenMessage[] {
  const messages = messagesIn(value);
  if (role === undefined) return messages ?? [isObject(value) ? value : { content: value }];
  // A list without messages of its own is the parts of one.
  if (messages !== undefined) return [{ role, parts: messages }];
  const body = typeof value === 'string' ? parsed(value) : value;
  return [isObject(body) ? { role, ...body } : { role, content: value }];
}

/** The messages that this is, or is the JSON of. */
function messagesIn(value: unknown): readonly GivenMessage[] | undefined {
  const list = typeof value === 'string' && value.trimStart().startsWith('[') ? parsed(value) : value;
  return Array.isArray(list) && list.every(isObject) ? list : undefined;
}

/** @returns `undefined` where it is no JSON: a limit of the SDK may have cut it. */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is GivenMessage {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
