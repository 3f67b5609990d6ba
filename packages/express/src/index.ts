export { spanledger } from './spanledger.ts';
export type { Middleware } from './spanledger.ts';
