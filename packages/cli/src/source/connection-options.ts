import { readFileSync } from 'node:fs';
import { parseNatsServers } from '@spanledger/jetstream';
import type { ConnectNatsOptions } from '@spanledger/jetstream';
import { AUDIT_STREAM } from '@spanledger/protocol';
import { Option } from 'commander';
import type { Command } from 'commander';
import { EXIT } from '../run/exit-code.ts';
import { Failure } from '../run/failure.ts';
import { parseDuration } from './selection.ts';

const DEFAULT_SERVER = 'nats://127.0.0.1:4222';

/** The options that every command with a server has. */
export interface ConnectionFlags {
  readonly server?: string;
  readonly creds?: string;
  readonly nkey?: string;
  readonly user?: string;
  readonly password?: string;
  readonly token?: string;
  readonly inboxPrefix?: string;
  readonly tlsCa?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  /** Milliseconds. */
  readonly wait: number;
  readonly stream: string;
}

const WAIT_MS = 15_000;
const GROUP = 'Connection:';

/** Adds them to a command's help. Secrets may come from the environment, where other users do not see them. */
export function withConnection(command: Command): Command {
  const options = [
    new Option(
      '-s, --server <urls>',
      `nats://[user:pass@]host:port, several with commas (default: ${DEFAULT_SERVER})`,
    ).env('SPANLEDGER_NATS_URL'),
    new Option('--creds <file>', 'credentials file').env('SPANLEDGER_NATS_CREDS'),
    new Option('--nkey <file>', 'file with the seed of an NKey (SU…)').env('SPANLEDGER_NATS_NKEY'),
    new Option('--user <name>', 'user name'),
    new Option('--password <password>', 'its password').env('SPANLEDGER_NATS_PASSWORD'),
    new Option('--token <token>', 'authentication token').env('SPANLEDGER_NATS_TOKEN'),
    new Option('--inbox-prefix <subject>', 'where answers arrive, for accounts that may subscribe to nothing else'),
    new Option('--tls-ca <file>', 'certificate authority of the server, PEM'),
    new Option('--tls-cert <file>', 'certificate of this client, PEM'),
    new Option('--tls-key <file>', 'its key, PEM'),
    new Option('--wait <time>', 'how long to wait for a server that was lost')
      .default(WAIT_MS, '15s')
      .argParser(parseDuration),
    new Option('--stream <name>', 'the audit stream').default(AUDIT_STREAM),
  ];
  for (const option of options) command.addOption(option.helpGroup(GROUP));
  return command;
}

/** The servers as a message may name them: without credentials. */
export function serverNames(flags: ConnectionFlags): string {
  const { servers } = toConnectOptions(flags);
  const names = [servers].flat().join(', ');
  return flags.server ? names : `${names} (the default)`;
}

/** @throws Failure, SpanledgerError `SPANLEDGER_OPTION` */
export function toConnectOptions(flags: ConnectionFlags): ConnectNatsOptions {
  const { creds, nkey, user, password, token, inboxPrefix } = flags;
  // An empty variable is one that is not set.
  const server = flags.server || DEFAULT_SERVER;
  const { servers, ...fromUrl } = parseNatsServers(
    server.split(',').map((one) => one.trim()),
    '--server or SPANLEDGER_NATS_URL',
  );
  const tls = tlsFiles(flags);
  return {
    ...fromUrl,
    servers,
    ...(creds !== undefined && { credsFile: creds }),
    ...(nkey !== undefined && { nkeySeed: readFile(nkey, '--nkey').trim() }),
    ...(user !== undefined && { user }),
    ...(password !== undefined && { pass: password }),
    ...(token !== undefined && { token }),
    ...(inboxPrefix !== undefined && { inboxPrefix }),
    ...(tls && { tls }),
  };
}

function tlsFiles({ tlsCa, tlsCert, tlsKey }: ConnectionFlags): ConnectNatsOptions['tls'] {
  if (tlsCa === undefined && tlsCert === undefined && tlsKey === undefined) return undefined;
  return {
    ...(tlsCa !== undefined && { ca: readFile(tlsCa, '--tls-ca') }),
    ...(tlsCert !== undefined && { cert: readFile(tlsCert, '--tls-cert') }),
    ...(tlsKey !== undefined && { key: readFile(tlsKey, '--tls-key') }),
  };
}

function readFile(file: string, option: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new Failure(EXIT.usage, `${option}: ${file} cannot be read`, undefined, { cause });
  }
}
