import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

// Tests run from source: this export condition resolves every @spanledger package to its src/index.ts. The others are
// Node's own: with 'module', meant for bundlers, there would be a second copy of the OpenTelemetry API.
// Not `module`: OpenTelemetry's builds for bundlers do not load in Node. Not `import`: it would hold for `require` as well.
const conditions = ['@spanledger/source', 'node', 'default'];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: ['packages/*/test/**/*.test.ts', 'test/**/*.test.ts'],
    // They end what hangs, and nothing else: most of a busy machine may be somebody else's.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    // They wait for processes and servers more than they compute; on two cores it would be one file after the other.
    maxWorkers: Math.max(2, availableParallelism() - 1),
  },
});
