import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Jwks } from '@spanledger/protocol';

const MAIN = path.resolve(import.meta.dirname, '../fixtures/forge-verifier/main.go');
const MODULE = 'github.com/initializ/forge';

/** Why Forge's verifier cannot be asked here; `undefined` if it can. */
export function whyNoForge(source: string | undefined): string | undefined {
  if (source === undefined) return 'SPANLEDGER_FORGE_SOURCE does not name a checkout of github.com/initializ/forge';
  if (!existsSync(path.join(source, 'forge-core/go.mod'))) return `${source} is no checkout of Forge`;
  return spawnSync('go', ['version']).status === 0 ? undefined : 'Go is not on the PATH';
}

/** What Forge says of one run. */
export interface ForgeVerdict {
  readonly ok: boolean;
  readonly reason: string;
  /** The first bad line, from 1; 0 if there is none. */
  readonly line: number;
  readonly events: number;
  readonly signatures: number;
  readonly links: number;
}

/** A program around Forge's own verifier, built from a checkout of its source. */
export class ForgeVerifier {
  readonly #folder = mkdtempSync(path.join(tmpdir(), 'forge-verifier-'));

  constructor(source: string) {
    copyFileSync(MAIN, path.join(this.#folder, 'main.go'));
    const replace = ['forge-core', 'forge-skills'].map((name) => `${MODULE}/${name} => ${path.resolve(source, name)}`);
    writeFileSync(
      path.join(this.#folder, 'go.mod'),
      `module forge-verifier\n\ngo 1.25.0\n\nrequire ${MODULE}/forge-core v0.0.0\n\nreplace (\n${replace.join('\n')}\n)\n`,
    );
    this.#go('mod', 'tidy');
    this.#go('build', '-o', 'forge-verifier', '.');
  }

  /** @param lines the events of one run, in order. */
  ask(lines: readonly Uint8Array[], keys: Jwks): ForgeVerdict {
    return this.askFile(Buffer.concat(lines.flatMap((line) => [line, Buffer.from('\n')])), keys);
  }

  /** @param ndjson the same as one file. */
  askFile(ndjson: Uint8Array, keys: Jwks): ForgeVerdict {
    const [keysFile, ledgerFile] = ['keys.json', 'ledger.ndjson'].map((name) => path.join(this.#folder, name)) as [
      string,
      string,
    ];
    writeFileSync(keysFile, JSON.stringify(keys));
    writeFileSync(ledgerFile, ndjson);
    const program = path.join(this.#folder, 'forge-verifier');
    return JSON.parse(execFileSync(program, [keysFile, ledgerFile], { encoding: 'utf8' })) as ForgeVerdict;
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #go(...args: string[]): void {
    execFileSync('go', args, { cwd: this.#folder, stdio: ['ignore', 'ignore', 'inherit'] });
  }
}
