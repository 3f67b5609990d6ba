// First, because it looks at what was loaded before this package.
import './loaded-before.ts';

export { audit, fanOutSink, fileSink, genai, http, lifecycle, memorySink, workflow } from '@spanledger/audit';
export type { NatsConfig, SpanledgerConfig, StartConfig } from './config.ts';
export { flush } from './handle.ts';
export type { SpanledgerHandle } from './handle.ts';
export { start } from './start.ts';
export { withSpanledger } from './with-spanledger.ts';
