export { auditKeys } from './audit-keys.ts';
export { spanledger } from './spanledger.ts';
export type { Middleware } from './spanledger.ts';
