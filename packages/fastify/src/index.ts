export { spanledger } from './spanledger.ts';
