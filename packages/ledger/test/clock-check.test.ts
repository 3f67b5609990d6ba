import type { AuditEvent } from '@spanledger/protocol';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ClockCheck } from '../src/verify/clock-check.ts';

const START_MS = Date.parse('2026-01-01T00:00:00Z');
const offsetMs = fc.integer({ min: -200_000, max: 200_000 });
const written = fc.oneof(
  offsetMs.map((ms) => new Date(START_MS + ms).toISOString()),
  offsetMs.map((ms) => new Date(START_MS + ms).toISOString().replace('Z', '123Z')),
  offsetMs.map((ms) => new Date(START_MS + ms).toISOString().replace(/\.\d+Z/, 'Z')),
  offsetMs.map((ms) => new Date(START_MS + ms - 18_000_000).toISOString().replace('Z', '-05:00')),
  fc.constantFrom('', 'Z', 'no time', '+012026-01-01T00:00:00Z', '9999-12-31T23:59:59Z', '2026-99-01T00:00:00Z'),
);

it('finds what is ahead, whatever was read before and however times are written', () => {
  const one = fc.record({ ts: written, storedMs: fc.option(offsetMs, { nil: undefined }) });
  const skew = fc.constantFrom(undefined, 0, 1_000, 60_000, Number.POSITIVE_INFINITY);
  fc.assert(
    fc.property(fc.array(one, { maxLength: 30 }), skew, (events, skewMs) => {
      const check = new ClockCheck(skewMs);
      for (const [index, { ts, storedMs }] of events.entries()) {
        const storedAtMs = storedMs === undefined ? undefined : START_MS + storedMs;
        // A run of its own: it is said once of each.
        const event = { run_id: `run-${index}`, seq: 1, ts } as AuditEvent;
        const aheadMs = Math.round(Date.parse(ts) - (storedAtMs ?? Number.NaN));
        const expected = aheadMs > (skewMs ?? 60_000) ? aheadMs : undefined;
        expect(check.check(event, index + 1, storedAtMs)?.skewMs).toBe(expected);
      }
    }),
    { numRuns: 2_000 },
  );
});
