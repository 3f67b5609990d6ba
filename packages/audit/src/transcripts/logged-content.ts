import type { LogRecordView } from '../span/log-record-view.ts';
import { copyPayload } from '../redaction/copy-payload.ts';
import { tooLarge, unitsOf } from './genai-content.ts';
import { CONTENT_KINDS, DETAILS_EVENT, EVENT_BODY, PLACES, SYSTEM_INSTRUCTIONS, roleOf } from './genai-conventions.ts';
import type { ContentEvent, ContentKind } from './genai-conventions.ts';

interface Logged {
  readonly events: ContentEvent[];
  units: number;
  /** Why it is not whole: then nothing of it is kept. */
  problem?: unknown;
}

export function isContentEvent(name: string): boolean {
  return name === DETAILS_EVENT || CONTENT_KINDS.some((kind) => roleOf(name, kind) !== undefined);
}

/** The content that log records have of one span, until it ends. I7: of each kind at most `contentMax` UTF-16 units. */
export class LoggedContent {
  readonly #contentMax: number;
  readonly #kinds: Record<ContentKind, Logged> = { input: { events: [], units: 0 }, output: { events: [], units: 0 } };

  constructor(contentMax: number) {
    this.#contentMax = contentMax;
  }

  /** I1: copied here. I5: what cannot be read is told by `eventsOf`. */
  add(name: string, record: LogRecordView): void {
    for (const kind of CONTENT_KINDS) {
      const logged = this.#kinds[kind];
      if (logged.problem !== undefined) continue;
      try {
        const told = contentIn(name, kind, record);
        if (told !== undefined) this.#keep(logged, name, told);
      } catch (error) {
        logged.problem = error;
        logged.events.length = 0;
      }
    }
  }

  /** In the order of their records. @throws what was wrong with one of them. */
  eventsOf(kind: ContentKind): readonly ContentEvent[] {
    const { events, problem } = this.#kinds[kind];
    if (problem !== undefined) throw problem;
    return events;
  }

  #keep(logged: Logged, name: string, told: Readonly<Record<string, unknown>>): void {
    const attributes = copyPayload(told) as Record<string, unknown>;
    // With its names: records that say nothing have a place in memory too.
    logged.units += name.length;
    for (const [key, value] of Object.entries(attributes)) logged.units += key.length + unitsOf(value);
    if (logged.units > this.#contentMax) throw tooLarge(logged.units, this.#contentMax);
    logged.events.push({ name, attributes });
  }
}

/** As a span event would have it. */
function contentIn(
  name: string,
  kind: ContentKind,
  { attributes, body }: LogRecordView,
): Readonly<Record<string, unknown>> | undefined {
  if (roleOf(name, kind) !== undefined) return body === undefined ? attributes : { [EVENT_BODY]: body };
  if (name !== DETAILS_EVENT) return undefined;
  const keys = kind === 'input' ? [SYSTEM_INSTRUCTIONS, PLACES.input.messages] : [PLACES.output.messages];
  const told = keys.filter((key) => attributes[key] !== undefined).map((key) => [key, attributes[key]]);
  return told.length > 0 ? Object.fromEntries(told) : undefined;
}
