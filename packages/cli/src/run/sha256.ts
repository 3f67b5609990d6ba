import { createHash } from 'node:crypto';

/** 64 lowercase hex, as the ledger's readers want it. */
export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
