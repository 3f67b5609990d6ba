// What some cases need of the machine beyond Node. Where it is missing, a case cannot run, and says so.
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import path from 'node:path';

/** This machine lacks what a case needs: neither passed nor failed. */
export class CannotRunHere extends Error {}

export function cannotRunHere(reason) {
  return new CannotRunHere(reason);
}

export function requireRoot() {
  if (process.getuid?.() !== 0) throw cannotRunHere('it needs root');
}

/** @param {string} syscall what is to be injected, such as `fdatasync`: containers often forbid tracing altogether. */
export function requireStrace(syscall = 'fdatasync') {
  if (!works('strace', '-V')) throw cannotRunHere('strace is not installed');
  if (!works('strace', '-qq', '-o', '/dev/null', '-e', `inject=${syscall}:error=EIO`, 'true')) {
    throw cannotRunHere('strace may not trace here');
  }
}

/**
 * Mounts a memory disk until the case ends.
 *
 * @param {number | string} size in bytes, or as `mount` takes it: `12m`
 * @param {string} place below the case's folder, or absolute
 * @returns {string} where
 */
export function mountTmpfs(context, size, place = 'tmpfs') {
  requireRoot();
  const folder = path.resolve(context.directory, place);
  mkdirSync(folder, { recursive: true });
  if (!works('mount', '-t', 'tmpfs', '-o', `size=${size}`, 'none', folder)) {
    throw cannotRunHere('a tmpfs cannot be mounted');
  }
  context.own(() => void works('umount', '-l', folder));
  return folder;
}

function works(command, ...args) {
  try {
    execFileSync(command, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
