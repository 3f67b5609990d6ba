import { boundText } from './bound-text.ts';
import { scrubText } from './scrub-text.ts';

/** UTF-16 units: a message and some of its stack, the same of what caused it, and messages of members. */
const LOGGED_MAX = 4096;
const TEXT_MAX = 1024;
const MEMBER_MAX = 512;
/** An error may be its own cause or member: so deep, and so many of all. */
const DEPTH_MAX = 3;
const ERRORS_MAX = 16;
/** Of one `AggregateError`: the addresses of a host, the sinks of a fan-out. */
const MEMBERS_MAX = 5;

/**
 * What was thrown, told or answered by code that is not ours, for a line of our log: as text, with its causes and the members of
 * an `AggregateError`, bounded, and without secrets. It never throws (I5).
 */
export function loggable(cause: unknown): string {
  const texts: string[] = [];
  try {
    for (const text of tell('', cause, DEPTH_MAX)) if (texts.push(text) === ERRORS_MAX) break;
  } catch {
    texts.push('[unreadable]');
  }
  return boundText(texts.join('\n'), LOGGED_MAX);
}

function* tell(label: string, one: unknown, depth: number, isMember = false): Generator<string> {
  yield label + textOf(one, isMember);
  if (!(one instanceof Error) || depth === 0) return;
  if (one instanceof AggregateError) yield* tellMembers(one.errors, depth - 1);
  if (one.cause !== undefined) yield* tell('[cause]: ', one.cause, depth - 1, isMember);
}

function* tellMembers(errors: readonly unknown[], depth: number): Generator<string> {
  for (const error of errors.slice(0, MEMBERS_MAX)) yield* tell('[error]: ', error, depth, true);
  if (errors.length > MEMBERS_MAX) yield `[error]: and ${errors.length - MEMBERS_MAX} more`;
}

/** Of members the message alone: they come together, and from the same place. */
function textOf(one: unknown, isMember: boolean): string {
  const stack = one instanceof Error && !isMember ? one.stack : undefined;
  return scrubText(boundText(stack || String(one), isMember ? MEMBER_MAX : TEXT_MAX));
}
