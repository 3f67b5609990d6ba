import { SpanledgerError } from '@spanledger/protocol';
import { nearestName } from './nearest-name.ts';

/**
 * @param path what comes before the key, for the message: `nats.`, or nothing.
 * @throws SpanledgerError `SPANLEDGER_OPTION`, naming the nearest known option.
 */
export function refuseUnknown(given: object, known: readonly string[], path: string): void {
  const unknown = Object.keys(given).find((key) => !known.includes(key));
  if (unknown === undefined) return;
  const meant = nearestName(unknown, known);
  const hint = meant === undefined ? `known are ${known.join(', ')}` : `did you mean \`${path}${meant}\`?`;
  throw new SpanledgerError('SPANLEDGER_OPTION', `\`${path}${unknown}\` is not an option: ${hint}`);
}
