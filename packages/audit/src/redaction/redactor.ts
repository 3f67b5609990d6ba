import { LEDGER_EVENTS, ORCHESTRATOR_EVENTS } from '@spanledger/protocol';
import type { JsonValue } from '@spanledger/protocol';
import { log } from '../diagnostics.ts';
import type { EventInput } from '../event-input.ts';
import { toFields } from '../json-value.ts';
import { askPolicy } from './ask-policy.ts';
import { SecretScrubber } from './secret-scrubber.ts';
import type { RedactionPolicy, ResolvedRedaction } from './redaction-options.ts';

type Fields = Readonly<Record<string, JsonValue>>;

/** What the ledger says of itself: no policy of an application has a say in it (I9). */
const OWN_EVENTS: ReadonlySet<string> = new Set(LEDGER_EVENTS);
const REFERENCE = 'transcript_recorded';
/** Events by which readers tell steps, attempts, outcomes and transcripts apart, and the `fields` that they do it with: a policy cannot change them. */
const LIFECYCLE_EVENTS: ReadonlySet<string> = new Set([
  ...ORCHESTRATOR_EVENTS,
  'invocation_started',
  'invocation_complete',
  'invocation_cancelled',
  REFERENCE,
]);
const STRUCTURE = ['step', 'parent', 'status', 'dispatched', 'dispatched_more', 'transcript'] as const;
/** By these readers tell tasks, sessions and requests apart: with one mark for all secrets, strangers would share a task. */
const IDS = ['taskId', 'sessionId', 'clientRequestId', 'requestId'] as const satisfies readonly (keyof EventInput)[];
/** What an application or a span says outside of `fields`. */
const TEXTS = [...IDS, 'entityType', 'model', 'provider'] as const satisfies readonly (keyof EventInput)[];
const IS_ID: ReadonlySet<string> = new Set(IDS);
const UNREADABLE: Fields = { '…': '[unreadable]' };
const WITHHELD: Fields = { '…': '[redaction failed]' };

/**
 * The last thing that is done to what an application told, before it is sealed. I6: it is given what was told and nothing else; ids
 * of the run, number, hash, type and times are written afterwards, so it cannot reach them. I5: it never throws.
 */
export class Redactor {
  /** Events that have lost their payload because the policy threw, or returned what is no payload: each says so, the log once. */
  failures = 0;
  readonly #policy: RedactionPolicy | undefined;
  readonly #scrubber: SecretScrubber | undefined;
  /** Marks made with a key differ, and tell ids apart. */
  readonly #keepsIds: boolean;

  constructor({ policy, secrets, joinKey }: ResolvedRedaction) {
    this.#policy = policy;
    this.#scrubber = secrets ? new SecretScrubber(joinKey) : undefined;
    this.#keepsIds = joinKey !== undefined;
  }

  input(input: EventInput): EventInput {
    const told = input.fields;
    const isOpen =
      this.#policy !== undefined && told !== undefined && !OWN_EVENTS.has(input.event) && !isReference(input);
    const allowed = isOpen ? this.#applyPolicy(told, LIFECYCLE_EVENTS.has(input.event)) : told;
    const allowedInput = allowed === told ? input : { ...input, fields: allowed };
    return this.#scrubber === undefined ? allowedInput : this.#scrubbed(this.#scrubber, allowedInput);
  }

  /** The same input where there is no secret, which is nearly always: a copy for each event would be the most of what this costs. */
  #scrubbed(scrubber: SecretScrubber, input: EventInput): EventInput {
    let result = input;
    for (const name of TEXTS) {
      const before = input[name];
      if (typeof before !== 'string') continue;
      const after = scrubber.text(before);
      if (after === before) continue;
      result = { ...result, [name]: IS_ID.has(name) && !this.#keepsIds ? undefined : after };
    }
    const fields = input.fields && this.#scrubFields(scrubber, input.fields);
    return fields === input.fields ? result : { ...result, fields: withStepIds(input, fields!) };
  }

  /** I6: what is no plain JSON after all (a pipeline is given it directly) loses its payload here, and not its event. */
  #scrubFields(scrubber: SecretScrubber, fields: Fields): Fields {
    try {
      return scrubber.fields(fields);
    } catch {
      return UNREADABLE;
    }
  }

  #applyPolicy(told: Fields, hasStructure: boolean): Fields | undefined {
    try {
      // The policy has a copy of its own: `told` may be sealed once more, if this event cannot be.
      const fields = toFields(askPolicy(this.#policy!, structuredClone(told)));
      return hasStructure ? withStructure(fields, told) : fields;
    } catch (error) {
      this.failures += 1;
      // Its message may quote the payload: only what kind of error it was is told.
      if (this.failures === 1)
        log.error(`a redaction policy failed (${kindOf(error)}), and its event has no payload (reported once)`);
      return hasStructure ? withStructure(WITHHELD, told) : WITHHELD;
    }
  }
}

/** All that it says is put back, and a policy that was written for the content would look for it in vain. */
function isReference({ event, fields }: EventInput): boolean {
  return event === REFERENCE && Object.keys(fields!).every((key) => key === 'transcript');
}

/** I5: what is thrown may throw when it is looked at. */
function kindOf(error: unknown): string {
  try {
    return error instanceof Error ? error.constructor.name : typeof error;
  } catch {
    return 'unreadable';
  }
}

/**
 * The ids of steps are what the envelope calls them, whatever they look like (`secret:rotate`): else nobody could tell that an
 * attempt is superseded, or which step is inside of which (I6).
 */
function withStepIds({ event, fields: told }: EventInput, fields: Fields): Fields {
  if (event === 'stream_rewind') return { ...fields, step: told!['step']! };
  const [parent, toldParent] = [fields['parent'], told!['parent']] as (Fields | undefined)[];
  const id = event === 'workflow_step_started' ? toldParent?.['step_id'] : undefined;
  return typeof id === 'string' ? { ...fields, parent: { ...parent, step_id: id } } : fields;
}

function withStructure(fields: Fields | undefined, told: Fields): Fields | undefined {
  let result = fields;
  for (const key of STRUCTURE) {
    const value = Object.hasOwn(told, key) ? told[key] : undefined;
    if (value !== undefined) result = { ...result, [key]: value };
  }
  return result;
}
