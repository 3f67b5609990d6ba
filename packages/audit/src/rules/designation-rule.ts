import type { AttributeValue, SpanKind } from '@opentelemetry/api';
import type { EventDetails } from '../event-input.ts';
import type { SpanView } from '../span/span-view.ts';

/** A text that must be equal, or a pattern that must match; of several, one of them. */
export type TextMatch = string | RegExp | readonly (string | RegExp)[];

/** Which spans a rule is about. Every property given must hold, and at least one must be given. */
export interface RuleCondition {
  /** The span's name: at its end, unless the rule's event has a `start`. */
  readonly name?: TextMatch;
  readonly kind?: SpanKind | readonly SpanKind[];
  /** Name of the instrumentation scope, as in `getTracer(name)`. */
  readonly scope?: TextMatch;
  /** For each key the value it must have, a pattern for its text, or `true`: it must be there. */
  readonly attributes?: Readonly<Record<string, AttributeValue | RegExp | true>>;
}

/**
 * Names of the events that a span becomes, each snake_case. With a `start`, the rule decides when the span starts, by what
 * is known then, and is bound to its end. `error` (default: `end`) is the end of a span whose status is ERROR.
 */
export interface RuleEvents {
  readonly start?: string;
  readonly end?: string;
  readonly error?: string;
}

/**
 * Whether content is recorded. At `metadata`, an attribute that is known to carry content (prompts, tool arguments, query
 * texts, …; see `content-keys.ts`) is recorded as its size, `<field>_size`. At `payload` as itself, bounded.
 */
export type RecordLevel = 'metadata' | 'payload';

/**
 * What goes into an event's `fields`: attribute keys, recorded under the same name; field names, each with the attribute it
 * is read from (of several, the first there is); or a function. Nothing else of a span is recorded.
 */
export type RuleFields =
  | readonly string[]
  | Readonly<Record<string, string | readonly string[]>>
  | ((span: SpanView) => Readonly<Record<string, unknown>> | undefined);

/** Designation as data: spans that meet `when` are audit events. */
export interface DataRule {
  readonly when: RuleCondition;
  /** One name: the end of the span is the event, however it ended. */
  readonly event: string | RuleEvents;
  /** Default `metadata`. */
  readonly level?: RecordLevel;
  readonly fields?: RuleFields;
  /** For model calls and the like: what of the span has a place of its own in the envelope. Asked at the start as well. */
  readonly details?: (span: SpanView) => EventDetails;
}

/** A function's verdict on an ended span. */
export interface Designation extends EventDetails {
  /** snake_case. */
  readonly event: string;
  /** Default `metadata`. */
  readonly level?: RecordLevel;
  /** Bounded and made JSON before it is recorded. */
  readonly fields?: Readonly<Record<string, unknown>> | undefined;
}

/** The escape hatch: called at the end of every span that no rule before it has matched, so it must be quick. */
export type FunctionRule = (span: SpanView) => Designation | undefined;

/** Brackets every run with `invocation_started` and a terminal event, also one in which nothing else is recorded. */
export interface LifecycleRule {
  readonly lifecycle: true;
}

export type DesignationRule = DataRule | FunctionRule | LifecycleRule;

/** Rules and lists of rules, to any depth. The first rule that matches a span wins. */
export type DesignationRules = DesignationRule | readonly DesignationRules[];
