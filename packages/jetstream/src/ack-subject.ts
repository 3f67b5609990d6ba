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
/** Without a domain there are nine tokens; with one, and an account, at least eleven. */
const DOTS = 8;
const DOTS_MAX = 12;
const DOT = 0x2e;
const ZERO = 0x30;

/** Where the dots of the subject at hand are: one array for all, because this is done once for each record of a reader. */
const dots = new Int32Array(DOTS_MAX + 1);

/**
 * `$JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<time>.<pending>`, or the same with
 * `<domain>.<account>` before the stream and possibly something after the end.
 */
export function parseAckSubject(subject: string): DeliveryInfo | undefined {
  if (!subject.startsWith('$JS.ACK.')) return undefined;
  const count = findDots(subject);
  // The dot before the stream sequence, behind which there are four numbers.
  const first = count === DOTS ? 4 : 6;
  if (count < first + 4) return undefined;
  dots[count] = subject.length;
  return {
    streamSeq: numberIn(subject, first),
    consumerSeq: numberIn(subject, first + 1),
    storedAtMs: numberIn(subject, first + 2, NANO_DIGITS),
    pending: numberIn(subject, first + 3),
  };
}

function findDots(subject: string): number {
  let count = 0;
  for (let i = 0; i < subject.length && count < DOTS_MAX; i += 1) {
    if (subject.charCodeAt(i) === DOT) dots[count++] = i;
  }
  return count;
}

/** The token after a dot; NaN if it is no decimal number. */
function numberIn(subject: string, dot: number, dropped = 0): number {
  const end = dots[dot + 1]! - dropped;
  let value = 0;
  for (let i = dots[dot]! + 1; i < end; i += 1) {
    const digit = subject.charCodeAt(i) - ZERO;
    if (digit < 0 || digit > 9) return NaN;
    value = value * 10 + digit;
  }
  return value;
}
