import type { WorkflowContext } from '@spanledger/otel/internal';
import { SpanledgerError, UnsignedEventError, encodeSubject, isEventName, seal } from '@spanledger/protocol';
import type { SealedEvent } from '@spanledger/protocol';
import { log } from '../diagnostics.ts';
import type { EventInput } from '../event-input.ts';
import { Signing } from '../signing/signing.ts';
import { createEnvelope } from './envelope.ts';
import type { ResolvedPipelineOptions } from './pipeline-options.ts';
import { boundSize } from './size-bound.ts';
import { sha256 } from '../sha256.ts';

/** From what happened to its final bytes: envelope, bound, seal, signature. I1: nothing here waits. I5: nothing here throws. */
export class Sealer {
  /** How many inputs could not be sealed at all. */
  failures = 0;
  readonly signing: Signing;
  readonly #options: ResolvedPipelineOptions;
  // I7: weak, so a subject lives as long as its run.
  readonly #subjects = new WeakMap<object, string>();

  constructor(options: ResolvedPipelineOptions) {
    this.#options = options;
    this.signing = new Signing(options.signing, options.envelope);
  }

  /**
   * @returns an error if the event was to be signed and could not be; then its number is given. `undefined` if not even the event
   * without its payload can be sealed; then none is.
   */
  seal(scope: WorkflowContext, input: EventInput): SealedEvent | UnsignedEventError | undefined {
    try {
      return this.#sealOrUnsigned(scope, input);
    } catch (first) {
      // I6: what cannot be written loses its payload, not the event.
      try {
        return this.#sealOrUnsigned(scope, { ...input, fields: { '…': '[unreadable]' } });
      } catch {
        this.failures += 1;
        if (this.failures === 1) log.error('an event could not be sealed (reported once):', first);
        return undefined;
      }
    }
  }

  #sealOrUnsigned(scope: WorkflowContext, input: EventInput): SealedEvent | UnsignedEventError {
    try {
      return this.#sealDraft(scope, input);
    } catch (error) {
      if (!(error instanceof UnsignedEventError)) throw error;
      this.signing.failed(error);
      return error;
    }
  }

  #sealDraft(scope: WorkflowContext, input: EventInput): SealedEvent {
    if (!isEventName(input.event)) {
      throw new SpanledgerError('SPANLEDGER_EVENT', `not an event name: ${JSON.stringify(input.event)?.slice(0, 200)}`);
    }
    const draft = createEnvelope(this.#options, scope, input);
    boundSize(draft, this.#options.eventMaxBytes);
    const options = this.signing.optionsFor(draft.event);
    const event = seal(scope.run.chain, draft, this.#subjectOf(scope), sha256, options);
    this.signing.sealed(options);
    return event;
  }

  #subjectOf({ run }: WorkflowContext): string {
    if (this.#options.flatSubject !== undefined) return this.#options.flatSubject;
    let subject = this.#subjects.get(run);
    if (subject === undefined) {
      const { workflowId, executionId } = run;
      subject = encodeSubject({ workflowId, executionId, producer: this.#options.producer });
      this.#subjects.set(run, subject);
    }
    return subject;
  }
}
