import { SpanledgerError } from '@spanledger/protocol';

/** @throws SpanledgerError `SPANLEDGER_RUNTIME` on anything but Node.js 20.19 or later */
export function checkRuntime(versions: Readonly<Record<string, string | undefined>> = process.versions): void {
  const other = ['bun', 'deno'].find((name) => versions[name] !== undefined);
  if (other !== undefined) {
    throw new SpanledgerError(
      'SPANLEDGER_RUNTIME',
      `${other} is not supported: Spanledger runs on Node.js 20.19 or later`,
    );
  }
  const [major = 0, minor = 0] = (versions['node'] ?? '').split('.').map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  throw new SpanledgerError('SPANLEDGER_RUNTIME', `Node.js ${versions['node']} is too old: 20.19 or later is needed`);
}
