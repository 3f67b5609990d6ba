export { start } from './start.ts'; // First: its own first import looks at what was loaded before this package.
export { currentWorkflow } from '@spanledger/otel';
export {
  audit,
  createKeyRing,
  fanOutSink,
  fileSink,
  genai,
  http,
  lifecycle,
  memorySink,
  workflow,
} from '@spanledger/audit';
export type { PipelineHealth } from '@spanledger/audit';
export { createEventBus } from '@spanledger/audit/bus';
export type { EventBus } from '@spanledger/audit/bus';
export type { JournalConfig, NatsConfig, SigningConfig, SpanledgerConfig, StartConfig } from './config.ts';
export { flush, health } from './handle.ts';
export type { SpanledgerHandle, SpanledgerHealth } from './handle.ts';
export { withSpanledger } from './with-spanledger.ts';
