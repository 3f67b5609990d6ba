/** What the reply subject of a message from a consumer says of it. */
export interface DeliveryInfo {
  readonly streamSeq: number;
  /** Position among what this consumer delivered, from 1, without gaps. */
  readonly consumerSeq: number;
  readonly storedAtMs: number;
  /** How many more messages match, as of now. */
  readonly pending: number;
}

/** Nanoseconds since 1970 are too many for a number: milliseconds are what is before the last six digits. */
const NANO_DIGITS = 6;
/** Without a domain. */
const TOKENS = 9;

/**
 * `$JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<time>.<pending>`, or the same with
 * `<domain>.<account>` before the stream and possibly something after the end.
 */
export function parseAckSubject(subject: string): DeliveryInfo | undefined {
  if (!subject.startsWith('$JS.ACK.')) return undefined;
  const tokens = countTokens(subject);
  if (tokens < TOKENS) return undefined;
  // Once for each record of a reader: what is not looked at is not cut out.
  let at = startOf(subject, tokens === TOKENS ? 5 : 7);
  const next = (): string => {
    const start = at;
    const end = subject.indexOf('.', start);
    at = end + 1;
    return end === -1 ? subject.slice(start) : subject.slice(start, end);
  };
  return {
    streamSeq: Number(next()),
    consumerSeq: Number(next()),
    storedAtMs: Number(next().slice(0, -NANO_DIGITS)),
    pending: Number(next()),
  };
}

function countTokens(subject: string): number {
  let count = 1;
  for (let at = subject.indexOf('.'); at !== -1; at = subject.indexOf('.', at + 1)) count += 1;
  return count;
}

function startOf(subject: string, token: number): number {
  let start = 0;
  for (let i = 0; i < token; i += 1) start = subject.indexOf('.', start) + 1;
  return start;
}
