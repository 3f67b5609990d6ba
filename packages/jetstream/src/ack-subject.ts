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

/**
 * `$JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<time>.<pending>`, or the same with
 * `<domain>.<account>` before the stream and possibly something after the end.
 */
export function parseAckSubject(subject: string): DeliveryInfo | undefined {
  const tokens = subject.split('.');
  if (tokens[0] !== '$JS' || tokens[1] !== 'ACK' || tokens.length < 9) return undefined;
  const first = tokens.length === 9 ? 5 : 7;
  const [streamSeq, consumerSeq, time, pending] = tokens.slice(first, first + 4);
  return {
    streamSeq: Number(streamSeq),
    consumerSeq: Number(consumerSeq),
    storedAtMs: Number(time!.slice(0, -NANO_DIGITS)),
    pending: Number(pending),
  };
}
