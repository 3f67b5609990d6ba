import { startNats } from '@spanledger/testkit';
import { describe, expect, it } from 'vitest';
import { App } from './support/app.ts';
import { readLedger, runsByMark } from './support/ledger.ts';

const NOT_CHARGED = { status: 503, body: { charged: 0, code: 'SPANLEDGER_NOT_DURABLE' } };

describe('an action that must be on record first, while NATS is down', () => {
  it.each(['guard', 'step'])(
    'is not done if an acknowledgement is asked for, is done with the journal (%s)',
    async (by) => {
      await using nats = await startNats();
      await nats.stop(); // Its port is known now, and nothing listens there.
      await using app = await App.serve('till.mjs', {
        env: { OTEL_SERVICE_NAME: 'till', SPANLEDGER_NATS_URL: nats.url },
      });
      const charge = (mark: string, query = '') => app.get(`/charge?by=${by}&mark=${mark}${query}`);

      expect(await charge('m-1', '&durable=acknowledged&deadlineMs=300')).toMatchObject(NOT_CHARGED);
      expect(await charge('m-2')).toMatchObject({ status: 200, body: { charged: 1 } });

      await nats.restart();
      // A deadline that outlasts the time until the client has noticed.
      const answer = await charge('m-3', '&durable=acknowledged&deadlineMs=60000');
      expect(answer).toMatchObject({ status: 200, body: { charged: 2 } });

      expect(await app.stop()).toBe(143);
      const { events, report } = await readLedger(nats.url);
      expect(report).toMatchObject({ duplicates: 0, losses: 0, gaps: 0, openRuns: 0 });
      if (by === 'step') {
        const steps = events.filter(({ step_id }) => step_id === 'charge');
        expect(steps.map(({ event }) => event)).toEqual([
          'workflow_step_started',
          'workflow_step_failed',
          'workflow_step_started',
          'workflow_step_completed',
          'workflow_step_started',
          'workflow_step_completed',
        ]);
        expect(steps[1]?.fields).toMatchObject({ not_begun: true, error_code: 'SPANLEDGER_NOT_DURABLE' });
      } else {
        const runs = runsByMark(events);
        const payments = (mark: string) => runs.get(mark)?.filter(({ event }) => event.startsWith('payment'));
        expect(payments('m-1')?.map(({ event }) => event)).toEqual(['payment_started', 'payment_failed']);
        expect(payments('m-1')?.[1]?.fields).toMatchObject({ not_begun: true, error_code: 'SPANLEDGER_NOT_DURABLE' });
        for (const mark of ['m-2', 'm-3'])
          expect(payments(mark)?.map(({ event }) => event)).toEqual(['payment_started', 'payment']);
      }
    },
  );

  it('is not done without a journal, though requests are served as long as there is room', async () => {
    await using nats = await startNats();
    await nats.stop();
    await using app = await App.serve('till.mjs', {
      load: 'spanledger-in-memory.mjs',
      env: { OTEL_SERVICE_NAME: 'till', SPANLEDGER_NATS_URL: nats.url },
    });
    expect(await app.get('/charge?by=guard&mark=m&deadlineMs=300')).toMatchObject(NOT_CHARGED);
  });
});

it('a service that does nothing without the ledger refuses every request where there is none', async () => {
  const env = { OTEL_SERVICE_NAME: 'till', OTEL_SDK_DISABLED: 'true' };
  await using app = await App.serve('till.mjs', { load: 'spanledger-in-memory.mjs', env });
  const { status, headers, body } = await app.get('/charge?by=guard&mark=m');
  expect({ status, retryAfter: headers.get('retry-after') }).toEqual({ status: 503, retryAfter: '5' });
  expect(body).toMatchObject({ code: 'SPANLEDGER_NOT_DURABLE' });
  expect(body).not.toHaveProperty('charged');
});
