import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, constants, existsSync, linkSync, openSync, readdirSync, unlinkSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { Server } from 'node:net';
import path from 'node:path';
import { SpanledgerError } from '@spanledger/protocol';

const LOCK_NAME = /^lock-(\d+)$/;
const ATTEMPTS_MAX = 16;
/** What a socket's path may have everywhere, in bytes; Node 20 would cut off the rest without a word. */
const SOCKET_PATH_BYTES_MAX = 103;

/**
 * A folder belongs to the process that listens on the Unix socket `lock-<n>` of the highest n in it. The kernel answers for the
 * owner, so it needs no pid, works from one container to another on the same machine, and ends with the owner however
 * that ends. Not over a network file system: the kernel of another machine refuses the connection to a live owner.
 *
 * A dead owner's socket is never removed or replaced, or two finders could both take its place: the next generation is
 * linked beside it, which only one of them can do, and which already listens when it can be seen.
 */
export interface FolderLock {
  /** Idempotent. The socket file stays: it now refuses, which is how a dead owner looks. */
  release(): Promise<void>;
}

/** @throws SpanledgerError `SPANLEDGER_JOURNAL_LOCKED` if a live process has it; what the file system answers, if it cannot be locked. */
export async function lockFolder(folder: string): Promise<FolderLock> {
  const place = new SocketFolder(folder);
  try {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
      const generation = newestGeneration(folder);
      if (await place.listens(generation)) break;
      const server = place.claim(generation + 1);
      if (server !== undefined) return heldLock(server, place);
    }
  } catch (error) {
    place.close();
    throw error;
  }
  place.close();
  throw new SpanledgerError('SPANLEDGER_JOURNAL_LOCKED', `the journal ${folder} belongs to a running process`);
}

/**
 * Locks a folder that was just made, in this turn.
 *
 * @returns `undefined` if a finder of dead journals was faster, who may have removed it since.
 * @throws what the file system answers, if it cannot be locked.
 */
export function lockNewFolder(folder: string): FolderLock | undefined {
  let place: SocketFolder | undefined;
  try {
    place = new SocketFolder(folder);
    const server = place.claim(1);
    if (server !== undefined) return heldLock(server, place);
  } catch (error) {
    place?.close();
    // The folder, or what was made in it.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' || !existsSync(folder)) return undefined;
    throw error;
  }
  place.close();
  return undefined;
}

export async function isFolderLocked(folder: string): Promise<boolean> {
  const place = new SocketFolder(folder);
  try {
    return await place.listens(newestGeneration(folder));
  } finally {
    place.close();
  }
}

function newestGeneration(folder: string): number {
  return Math.max(0, ...readdirSync(folder).map((name) => Number(LOCK_NAME.exec(name)?.[1] ?? 0)));
}

function heldLock(server: Server, place: SocketFolder): FolderLock {
  let released: Promise<void> | undefined;
  const release = async (): Promise<void> => {
    await new Promise<void>((resolve) => server.close(() => resolve()));
    place.close();
  };
  return { release: () => (released ??= release()) };
}

/** Sockets in a folder whose path may be longer than a socket's address. */
class SocketFolder {
  readonly #folder: string;
  readonly #fd: number;

  constructor(folder: string) {
    this.#folder = folder;
    this.#fd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  }

  close(): void {
    closeSync(this.#fd);
  }

  /** `false` for a generation that there is not. */
  async listens(generation: number): Promise<boolean> {
    if (generation === 0) return false;
    const socket = connect(this.#address(lockName(generation)));
    try {
      await once(socket, 'connect');
      return true;
    } catch (error) {
      // Anything else, such as a full backlog or no permission, comes from an owner who lives.
      return !['ECONNREFUSED', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '');
    } finally {
      socket.destroy();
    }
  }

  /** @returns `undefined` if somebody else was first. */
  claim(generation: number): Server | undefined {
    const name = `claim-${randomUUID()}`;
    // An error is emitted in a later turn, when it has been thrown here.
    const server = createServer((socket) => socket.destroy()).on('error', () => {});
    // `exclusive`: in a cluster it would otherwise be the primary that listens.
    server.listen({ path: this.#address(name), exclusive: true });
    // A socket of the file system listens when `listen` returns: there is no name to look up.
    if (!server.listening) throw new Error(`no socket can be made in ${this.#folder}`);
    server.unref();
    try {
      linkSync(path.join(this.#folder, name), path.join(this.#folder, lockName(generation)));
      return server;
    } catch (error) {
      server.close();
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return undefined;
      throw error;
    } finally {
      removeSocket(path.join(this.#folder, name));
    }
  }

  #address(name: string): string {
    if (process.platform === 'linux') return `/proc/self/fd/${this.#fd}/${name}`;
    const address = path.join(this.#folder, name);
    if (Buffer.byteLength(address) <= SOCKET_PATH_BYTES_MAX) return address;
    throw new SpanledgerError(
      'SPANLEDGER_OPTION',
      `the path of a journal must be short enough for a socket in it: ${address}`,
    );
  }
}

/**
 * Not with `rmSync`, which looks at the file first: after a synchronous look at a socket, `require` does not follow the symbolic
 * links of a path whose folders it knows (Node 20), and finds no package of pnpm's.
 */
function removeSocket(file: string): void {
  try {
    unlinkSync(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

function lockName(generation: number): string {
  return `lock-${generation}`;
}
