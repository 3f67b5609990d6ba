import { defineConfig } from 'vitest/config';

// Tests run from source: this export condition resolves every @spanledger package to its src/index.ts.
const conditions = ['@spanledger/source', 'node', 'import', 'module', 'default'];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: ['packages/*/test/**/*.test.ts', 'test/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
