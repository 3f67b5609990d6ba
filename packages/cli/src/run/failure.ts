import { SpanledgerError } from '@spanledger/protocol';
import type { ErrorCode } from '@spanledger/protocol';
import { EXIT } from './exit-code.ts';

/** A command cannot go on: what was wrong, in words for who typed it, and what to do. */
export class Failure extends Error {
  override readonly name = 'Failure';
  readonly exitCode: number;
  /** What to do. */
  readonly advice: string | undefined;

  constructor(exitCode: number, message: string, advice?: string, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
    this.advice = advice;
  }
}

const OF_OPTIONS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'SPANLEDGER_OPTION',
  'SPANLEDGER_PRODUCER',
  'SPANLEDGER_VALUE',
  'SPANLEDGER_KEY',
  'SPANLEDGER_JOURNAL',
]);

/** Anything that was thrown, as what the command line says of it; `undefined` for a fault of this program. */
export function toFailure(error: unknown): Failure | undefined {
  if (error instanceof Failure) return error;
  if (error instanceof SpanledgerError) {
    const exitCode = OF_OPTIONS.has(error.code) ? EXIT.usage : EXIT.unreachable;
    return new Failure(exitCode, error.message, adviceOn(error.code), { cause: error });
  }
  const { code, path, syscall, address, port } = error as NodeJS.ErrnoException & { address?: string; port?: number };
  if (typeof code !== 'string' || typeof syscall !== 'string') return undefined;
  const place = [path, address, port].map((part) => (part === undefined ? '' : ` ${part}`)).join('');
  return new Failure(EXIT.usage, `cannot ${syscall}${place}: ${ERRNO[code] ?? code}`, undefined, { cause: error });
}

const ERRNO: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file or folder',
  EACCES: 'permission denied',
  EISDIR: 'it is a folder',
  ENOTDIR: 'part of the path is not a folder',
  ENOSPC: 'the disk is full',
  EEXIST: 'it exists already',
  EADDRINUSE: 'another program listens there',
  EADDRNOTAVAIL: 'this machine has no such address',
  ENOTFOUND: 'there is no such host',
};

function adviceOn(code: ErrorCode): string | undefined {
  if (code !== 'SPANLEDGER_STREAM') return undefined;
  return '`spanledger doctor` looks at server, stream and permissions; `--stream` names another stream';
}
