import { type ChildProcess, spawn } from 'node:child_process';

// Reads the pid to guard, line by line; the end of input is the end of our process, however it came about.
const SCRIPT = `
trap '' HUP INT TERM
while read -r line; do pid=$line; done
[ -z "$pid" ] || { kill -9 "$pid"; sleep 0.2; }
rm -rf "$1"
`;

/** Kills one child and removes one folder when this process ends without having done so, even by `SIGKILL`. */
export class Watchdog {
  readonly #shell: ChildProcess;

  constructor(dir: string) {
    this.#shell = spawn('/bin/sh', ['-c', SCRIPT, 'watchdog', dir], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    });
    this.#shell.stdin?.on('error', () => {}); // Nothing to guard with any more; the guarded child is unaffected.
  }

  guard(pid: number | undefined): void {
    this.#shell.stdin?.write(`${pid ?? ''}\n`);
  }

  dismiss(): void {
    this.#shell.kill('SIGKILL');
  }
}
