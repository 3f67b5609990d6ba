import { expect, it } from 'vitest';
import { checkLedger } from '../src/independent-reader.ts';
import { isLedgersOwn } from '../src/own-run.ts';
import { handMade } from './hand-made.ts';

it('tells the ledger’s own runs from those that hold anything of the application', () => {
  const lines = [
    ...handMade('a', ['invocation_started', 'stream_rewind', 'invocation_complete']),
    ...handMade('b', ['audit_export_status', 'audit_loss', 'audit_checkpoint']),
    ...handMade('c', ['work', 'audit_checkpoint']),
    ...handMade('d', ['run_abandoned']),
  ];
  expect(checkLedger(lines).map(isLedgersOwn)).toEqual([false, true, false, true]);
});
