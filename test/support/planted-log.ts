import type { PlantedSecret } from '../../packages/audit/test/redaction-support.ts';
import { SHAPE_COUNT, plantedSecrets } from '../../packages/audit/test/redaction-support.ts';
import { leaked } from './captured-log.ts';

/** By the line that is to be logged: what makes it, with something of other code's that holds the secret. */
export type LoggingCalls = Readonly<Record<string, (planted: PlantedSecret) => unknown>>;

const NAME_MAX = 100;

/** Those that are known by their shape alone, and short: for names of services, files, keys, streams. */
export const namesWithSecrets = (count: number): PlantedSecret[] =>
  plantedSecrets(SHAPE_COUNT)
    .filter(({ text, secret }) => text === `the call with ${secret} failed` && secret.length <= NAME_MAX)
    .slice(0, count);

/** An error, and what else code throws that is not ours. */
export function fails({ text }: PlantedSecret): () => never {
  const { length } = text;
  return () => {
    if (length % 3 === 0) throw text;
    if (length % 3 === 1) throw { toString: () => text };
    throw failure(text);
  };
}

/** With the secret in each place that an error has for it. */
export function failure(text: string): Error {
  return new AggregateError([new Error(`one of them: ${text}`)], text, { cause: new Error(`because of ${text}`) });
}

/** In how many of our lines something was taken out (more than one for each secret is as well), and what was not. */
export function said(logged: readonly string[], line: string, planted: readonly PlantedSecret[]): object {
  // What follows is a stack, in which the test has the name of the line.
  const redacted = logged.filter((one) => one.split('\n', 1)[0]!.includes(line) && one.includes('[REDACTED]'));
  return { redacted: Math.min(redacted.length, planted.length), leaked: leaked(planted, logged.join('\n')) };
}
