import path from 'node:path';
import type { KeyRingOptions, SigningKeys, SigningOptions } from '@spanledger/audit';
import { SpanledgerError } from '@spanledger/protocol';
import { SIGNING_KEYS } from './config.ts';
import type { SigningConfig } from './config.ts';
import { refuseUnknown } from './unknown-option.ts';

/** What is signed, and a signer, or what to make one of. */
export interface ResolvedSigning {
  readonly mode: SigningOptions['mode'];
  readonly keys: SigningKeys | undefined;
  /** Checked where the ring is made; `undefined` with `keys`. */
  readonly ring: KeyRingOptions | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;
type GivenKey = Pick<KeyRingOptions, 'key' | 'keySource' | 'keyFile'>;

const MODES: readonly SigningOptions['mode'][] = ['checkpoint', 'event'];

/**
 * A key alone means `checkpoint`. Anything else of signing without a key is an error: somebody counts on it.
 *
 * @returns `undefined` where nothing is signed.
 * @throws SpanledgerError `SPANLEDGER_OPTION`
 */
export function resolveSigning(
  option: SigningConfig | false | undefined,
  env: Environment,
): ResolvedSigning | undefined {
  if (option === false) return undefined;
  const config = option ?? {};
  if (typeof config !== 'object') throw wrong('`signing` must be an object, or false');
  refuseUnknown(config, SIGNING_KEYS, 'signing.');
  const given = fromOptions(config) ?? fromEnvironment(env);
  const mode = config.mode ?? set(env, 'SPANLEDGER_SIGNING_MODE');
  const kid = config.kid ?? set(env, 'SPANLEDGER_SIGNING_KID') ?? set(env, 'SPANLEDGER_SIGNING_KEY_KID');
  if (config.keys === undefined && given === undefined) {
    if (option === undefined && mode === undefined && kid === undefined) return undefined;
    throw wrong(
      'signing is asked for without a key: set `signing.key`, SPANLEDGER_SIGNING_KEY or SPANLEDGER_SIGNING_KEY_FILE',
    );
  }
  const ring = config.keys === undefined ? { ...given, kid, publicKeys: config.publicKeys } : undefined;
  return { mode: checkMode(mode ?? 'checkpoint'), keys: config.keys, ring };
}

function fromOptions({ key, keyFile, keys, kid, publicKeys }: SigningConfig): GivenKey | undefined {
  if ([key, keyFile, keys].filter((one) => one !== undefined).length > 1) {
    throw wrong('`signing` takes one of `key`, `keyFile` and `keys`');
  }
  if (keys !== undefined && (kid ?? publicKeys) !== undefined)
    throw wrong('`signing.keys` has its own `kid` and `publicKeys`');
  if (key !== undefined) return { key, keySource: 'option `signing.key`' };
  // Absolute: the application may change its working directory later.
  return keyFile === undefined ? undefined : { keyFile: path.resolve(keyFile) };
}

function fromEnvironment(env: Environment): GivenKey | undefined {
  const key = set(env, 'SPANLEDGER_SIGNING_KEY');
  const keyFile = set(env, 'SPANLEDGER_SIGNING_KEY_FILE');
  if (key !== undefined && keyFile !== undefined) {
    throw wrong('SPANLEDGER_SIGNING_KEY and SPANLEDGER_SIGNING_KEY_FILE are both set: set one');
  }
  if (key !== undefined) return { key, keySource: 'SPANLEDGER_SIGNING_KEY' };
  return keyFile === undefined ? undefined : { keyFile: path.resolve(keyFile) };
}

/** Set but empty is not set. */
function set(env: Environment, name: string): string | undefined {
  return env[name]?.trim() || undefined;
}

function checkMode(mode: string): SigningOptions['mode'] {
  const known = MODES.find((one) => one === mode);
  if (known !== undefined) return known;
  throw wrong(`signing.mode (SPANLEDGER_SIGNING_MODE) must be 'checkpoint' or 'event', got ${JSON.stringify(mode)}`);
}

function wrong(message: string): SpanledgerError {
  return new SpanledgerError('SPANLEDGER_OPTION', message);
}
