import { readFileSync } from 'node:fs';
import { readJwks } from '@spanledger/protocol';
import type { Jwk, Jwks } from '@spanledger/protocol';
import { Option } from 'commander';
import type { Command } from 'commander';
import type { CommandContext } from '../run/context.ts';
import { EXIT } from '../run/exit-code.ts';
import { Failure } from '../run/failure.ts';
import { readKeySet } from '../source/key-set.ts';
import { parseDuration } from '../source/selection.ts';
import { newKey, publicKeyOf, replaceKey, writeKeySet, writeNewKey } from './key-files.ts';

interface GenerateFlags {
  readonly output: string;
  readonly kid?: string;
  readonly jwks?: string;
}

interface RotateFlags {
  readonly key: string;
  readonly jwks: string;
  readonly kid?: string;
  readonly grace: number;
}

const GRACE = '10m';

/** What is public goes to stdout, as JWKS; a private key only into a file. */
export function addKeys(program: Command, context: CommandContext, end: (exitCode: number) => void): void {
  const { terminal } = context;
  const keys = program
    .command('keys')
    .summary('make and change signing keys')
    .description('Makes and changes the Ed25519 keys that events are signed with.');
  keys
    .command('generate')
    .description('Makes a private key (PKCS#8 PEM, mode 0600) and prints its public key as JWKS.')
    .requiredOption('-o, --output <file>', 'where the private key goes (required); never over another file')
    .option('--kid <id>', 'name of the key (default: its RFC 7638 thumbprint)')
    .option('--jwks <file>', 'add the public key to this JWKS as well; it is made if it is not there')
    .addOption(jsonOption())
    .action(async ({ output, kid, jwks: file }: GenerateFlags) => {
      const pem = newKey();
      const jwk = publicKeyOf(pem, kid);
      const others = file === undefined ? [] : withoutMissing(file);
      refuseKnown(others, jwk);
      writeNewKey(output, pem);
      const set = { keys: [jwk, ...others] };
      if (file !== undefined) writeKeySet(file, set);
      terminal.note(`private key in ${output}: the service takes it with SPANLEDGER_SIGNING_KEY_FILE=${output}`);
      await terminal.json(set);
      end(EXIT.clean);
    });
  keys
    .command('jwks')
    .description('Prints the public keys of private keys and JWKS files as one JWKS: what readers need.')
    .argument('<files...>', 'PEM or JWKS files')
    .option('--kid <id>', 'name of the key, if it is one PEM file that has not the name of its thumbprint')
    .addOption(jsonOption())
    .action(async (files: string[], { kid }: { kid?: string }) => {
      if (kid !== undefined && files.length > 1) throw new Failure(EXIT.usage, '--kid is for one file');
      const set: Jwks = { keys: files.flatMap((file) => publicKeysIn(file, kid)) };
      // Two keys under one name would make each other's signatures invalid.
      readJwks(set);
      await terminal.json(set);
      end(EXIT.clean);
    });
  keys
    .command('rotate')
    .description(
      'Replaces a private key by a new one, and prints the JWKS with both. The JWKS is written first, so that readers know the new ' +
        'key before it signs. A service with a key file takes the new key within seconds; the old one is valid for --grace more.',
    )
    .requiredOption('--key <file>', 'the private key to replace')
    .requiredOption('--jwks <file>', 'the JWKS that readers have')
    .option('--kid <id>', 'name of the new key (default: its RFC 7638 thumbprint)')
    .addOption(
      new Option('--grace <time>', 'how long the old key may still sign')
        .default(parseDuration(GRACE), GRACE)
        .argParser(parseDuration),
    )
    .addOption(jsonOption())
    .action(async (flags: RotateFlags) => {
      await terminal.json(rotate(flags));
      terminal.note(
        `new private key in ${flags.key}; give readers ${flags.jwks} before the services take it, if you can`,
      );
      end(EXIT.clean);
    });
}

/** So that a script may give it to every command. */
function jsonOption(): Option {
  return new Option('--json', 'JWKS is JSON in any case');
}

function rotate({ key: file, jwks, kid, grace }: RotateFlags): Jwks {
  const old = publicKeyOf(readFileSync(file, 'utf8'));
  const known = readKeySet(jwks).jwks.keys;
  const entry = known.find(({ x }) => x === old.x) ?? old;
  const pem = newKey();
  const next = publicKeyOf(pem, kid);
  refuseKnown([...known, entry], next);
  const exp = Math.ceil((Date.now() + grace) / 1_000);
  const retired = { ...entry, exp: Math.min(exp, entry.exp ?? exp) };
  const set = { keys: [next, retired, ...known.filter(({ x }) => x !== old.x)] };
  writeKeySet(jwks, set);
  replaceKey(file, pem);
  return set;
}

function publicKeysIn(file: string, kid: string | undefined): readonly Jwk[] {
  const text = readFileSync(file, 'utf8');
  if (text.trimStart().startsWith('{')) return readKeySet(file).jwks.keys;
  return [publicKeyOf(text, kid)];
}

function withoutMissing(file: string): readonly Jwk[] {
  try {
    return readKeySet(file).jwks.keys;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

function refuseKnown(known: readonly Jwk[], { kid }: Jwk): void {
  if (known.some((key) => key.kid === kid))
    throw new Failure(EXIT.usage, `there is a key ${kid} already`, 'give another --kid');
}
