import { AUDIT_EVENTS, BUS_ONLY_EVENTS, TERMINAL_EVENTS, isEventName } from '@spanledger/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createEventBus } from '../../src/bus.ts';
import { TASK, busEvent, names, numbers, readAll } from './support.ts';

describe('tasks', () => {
  it('are told apart by task_id, else by run_id', async () => {
    const bus = createEventBus();
    const [byTask, byRun] = [bus.subscribe({ taskId: 't' }), bus.subscribe({ taskId: 'r' })];
    expect(bus.publish({ event: 'tool_exec', task_id: 't', run_id: 'r' })).toEqual({ delivered: 1, dropped: 0 });
    expect(bus.publish({ event: 'llm_call', run_id: 'r' })).toEqual({ delivered: 1, dropped: 0 });
    bus.close();
    expect(names(await readAll(byTask))).toEqual(['tool_exec']);
    expect(names(await readAll(byRun))).toEqual(['llm_call']);
  });

  it('may be listened to before their first event', async () => {
    const bus = createEventBus();
    const subscription = bus.subscribe({ taskId: TASK });
    const first = subscription.next();
    bus.publish(busEvent('invocation_started'));
    expect(await first).toMatchObject({ done: false, value: { event: { event: 'invocation_started' } } });
  });

  it.each([{ task_id: '' }, { task_id: '', run_id: 'r' }, { task_id: undefined }, { task_id: 'x'.repeat(257) }])(
    'an event must have one: %o is refused',
    (ids) => {
      expect(() => createEventBus().publish({ event: 'tool_exec', ...ids })).toThrow(
        expect.objectContaining({ code: 'SPANLEDGER_VALUE' }),
      );
    },
  );

  it.each([
    { taskId: '' },
    { taskId: TASK, sessionId: '' },
    { taskId: TASK, clientRequestId: '' },
    { taskId: 'x'.repeat(257) },
  ])('a listener must name one: %o is refused', (options) => {
    expect(() => createEventBus().subscribe(options)).toThrow(expect.objectContaining({ code: 'SPANLEDGER_VALUE' }));
  });
});

describe('event types', () => {
  const published = (event: string) => {
    const bus = createEventBus();
    bus.subscribe({ taskId: TASK, chunks: true });
    return bus.publish(busEvent(event)).delivered;
  };

  it('of sink and bus are one list: all of the sink, and the chunks besides', () => {
    for (const name of [...AUDIT_EVENTS, ...BUS_ONLY_EVENTS]) expect(published(name)).toBe(1);
    expect(new Set(AUDIT_EVENTS).size).toBe(AUDIT_EVENTS.length);
    expect(AUDIT_EVENTS).toEqual(expect.arrayContaining([...TERMINAL_EVENTS, 'transcript_recorded']));
  });

  it('of the bus alone can be sealed by nobody', () => {
    expect(BUS_ONLY_EVENTS.filter(isEventName)).toEqual([]);
    expect(AUDIT_EVENTS.filter((name) => !isEventName(name))).toEqual([]);
  });

  it('of an application pass, and what is no name is refused', () => {
    expect(published('payment')).toBe(1);
    for (const name of ['', 'request.other', 'Payment', 7]) {
      expect(() => published(name as string)).toThrow(expect.objectContaining({ code: 'SPANLEDGER_EVENT' }));
    }
  });
});

it('is asked for its name once: what was checked is what listeners get', async () => {
  const faces = ['tool_exec', 'x\ndata: forged'];
  const twoFaced = {
    task_id: TASK,
    get event(): string {
      return faces.shift() ?? 'workflow_complete';
    },
  };
  const bus = createEventBus();
  const subscription = bus.subscribe({ taskId: TASK });
  bus.publish(twoFaced);
  bus.close();
  expect(names(await readAll(subscription))).toEqual(['tool_exec']);
});

describe('filters', () => {
  it('keep to one session and one client request', async () => {
    const bus = createEventBus();
    const subscription = bus.subscribe({ taskId: TASK, sessionId: 's', clientRequestId: 'c' });
    const publish = (session_id?: string, client_request_id?: string) =>
      bus.publish(busEvent('tool_exec', { session_id, client_request_id }));
    expect(publish('s', 'c')).toEqual({ delivered: 1, dropped: 0 });
    for (const [session, request] of [['s', 'd'], ['t', 'c'], ['s'], [undefined, 'c'], []]) {
      expect(publish(session, request)).toEqual({ delivered: 0, dropped: 0 });
    }
    expect(subscription.dropped()).toBe(0);
  });

  it('let a terminal event of no session through, and not that of another one; the end is for all', async () => {
    const ends = async (session_id?: string) => {
      const bus = createEventBus();
      const subscription = bus.subscribe({ taskId: TASK, sessionId: 's' });
      bus.publish(busEvent('invocation_complete', { session_id }));
      return names(await readAll(subscription));
    };
    expect(await ends()).toEqual(['invocation_complete']);
    expect(await ends('s')).toEqual(['invocation_complete']);
    expect(await ends('t')).toEqual([]);
  });

  it('leave chunks out unless they are asked for', async () => {
    const bus = createEventBus();
    const [plain, streaming] = [bus.subscribe({ taskId: TASK }), bus.subscribe({ taskId: TASK, chunks: true })];
    expect(bus.publish(busEvent('request.text_chunk', { fields: { text: 'Hel' } }))).toEqual({
      delivered: 1,
      dropped: 0,
    });
    bus.publish(busEvent('llm_call'));
    bus.close();
    expect(names(await readAll(plain))).toEqual(['llm_call']);
    expect(names(await readAll(streaming))).toEqual(['request.text_chunk', 'llm_call']);
  });
});

describe('a slow subscriber', () => {
  it('has 256 events waiting, and loses what comes after, alone', () => {
    const bus = createEventBus();
    const slow = bus.subscribe({ taskId: TASK });
    const roomy = bus.subscribe({ taskId: TASK, buffer: 1000 });
    const results = Array.from({ length: 300 }, (_, i) => bus.publish(busEvent('tool_exec', { seq: i + 1 })));
    expect(results[255]).toEqual({ delivered: 2, dropped: 0 });
    expect(results[256]).toEqual({ delivered: 1, dropped: 1 });
    expect([slow.dropped(), roomy.dropped()]).toEqual([44, 0]);
  });

  it('is told where events are missing, with the count as it is when it is told', async () => {
    const bus = createEventBus();
    const subscription = bus.subscribe({ taskId: TASK, buffer: 2 });
    const publish = (...seqs: number[]) => seqs.forEach((seq) => bus.publish(busEvent('tool_exec', { seq })));
    publish(1, 2, 3, 4);
    expect((await subscription.next()).value).toMatchObject({ event: { seq: 1 } });
    publish(5, 6);
    bus.close();
    expect(numbers(await readAll(subscription))).toEqual([2, '-3', 5, '-3']);
    expect(subscription.dropped()).toBe(3);
  });

  it('holds no more than its bound, and misses nothing silently, whatever the order', () => {
    const steps = fc.array(fc.constantFrom('publish', 'take'), { maxLength: 300 });
    return fc.assert(
      fc.asyncProperty(steps, fc.integer({ min: 1, max: 5 }), async (plan, buffer) => {
        const bus = createEventBus();
        const subscription = bus.subscribe({ taskId: TASK, buffer });
        const [taken, delivered]: [unknown[], number[]] = [[], []];
        let [seq, waiting] = [0, 0];
        for (const step of plan) {
          if (step === 'publish') {
            seq += 1;
            const result = bus.publish(busEvent('tool_exec', { seq }));
            expect(result).toEqual(waiting < buffer ? { delivered: 1, dropped: 0 } : { delivered: 0, dropped: 1 });
            waiting += result.delivered;
            if (result.delivered === 1) delivered.push(seq);
          } else if (waiting > 0) {
            const { value } = await subscription.next();
            if (value?.type === 'event') waiting -= 1;
            taken.push(value?.type === 'event' ? value.event.seq : 'lagged');
          }
        }
        bus.close();
        for (const item of await readAll(subscription)) taken.push(item.type === 'event' ? item.event.seq : 'lagged');
        expect(taken.filter((one) => one !== 'lagged')).toEqual(delivered);
        expect(subscription.dropped()).toBe(seq - delivered.length);
        // A mark stands exactly where the numbers have a hole.
        const expected = delivered.flatMap((one, i) => (one - (delivered[i - 1] ?? 0) > 1 ? ['lagged', one] : [one]));
        if (seq > (delivered.at(-1) ?? 0)) expected.push('lagged');
        expect(taken).toEqual(expected);
      }),
    );
  });

  it.each([0, -1, 1.5, 65_537, Number.NaN])('cannot have a buffer of %d', (buffer) => {
    expect(() => createEventBus().subscribe({ taskId: TASK, buffer })).toThrow(
      expect.objectContaining({ code: 'SPANLEDGER_OPTION' }),
    );
  });
});
