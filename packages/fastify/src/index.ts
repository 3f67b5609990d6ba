export { spanledger } from './spanledger.ts';
export type { SpanledgerOptions } from './spanledger.ts';
