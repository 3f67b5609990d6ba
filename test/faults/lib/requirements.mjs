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

/** Mounts a memory disk of this size in the case's folder, until the case ends. @returns {string} where */
export function mountTmpfs(context, sizeBytes, name = 'tmpfs') {
  requireRoot();
  const place = path.join(context.directory, name);
  mkdirSync(place, { recursive: true });
  if (!works('mount', '-t', 'tmpfs', '-o', `size=${sizeBytes}`, 'none', place)) {
    throw cannotRunHere('a tmpfs cannot be mounted');
  }
  context.own(() => void works('umount', '-l', place));
  return place;
}

function works(command, ...args) {
  try {
    execFileSync(command, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
