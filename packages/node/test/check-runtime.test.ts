import { describe, expect, it } from 'vitest';
import { checkRuntime } from '../src/check-runtime.ts';

describe('checkRuntime', () => {
  it.each([{ node: '20.19.0' }, { node: '22.1.0' }, { node: '24.0.0-nightly' }])('takes %j', (versions) => {
    expect(() => checkRuntime(versions)).not.toThrow();
  });

  it.each([
    { node: '20.18.1' },
    { node: '18.20.0' },
    { node: '22.6.0', bun: '1.2.0' },
    { node: '22.0.0', deno: '2.0.0' },
  ])('refuses %j', (versions) => {
    expect(() => checkRuntime(versions)).toThrow(expect.objectContaining({ code: 'SPANLEDGER_RUNTIME' }));
  });
});
