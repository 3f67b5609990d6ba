import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createEventBus } from '../../../src/bus.ts';
import type { EventBus } from '../../../src/bus.ts';
import { EventHub } from '../../../src/bus/sse/event-hub.ts';
import type { ConnectedClient } from '../../../src/bus/sse/event-hub.ts';
import type { HubClock } from '../../../src/bus/sse/hub-clock.ts';
import { resolveTaskEvents } from '../../../src/bus/sse/sse-options.ts';
import { TASK, busEvent } from '../support.ts';

const RUN = 'run-1';
const turn = () => new Promise((resolve) => setImmediate(resolve));

interface Heard {
  readonly id: string;
  readonly name: string;
  readonly data: { readonly seq?: number; readonly dropped?: number };
  /** Which of the client's connections it came on. */
  readonly connection: number;
}

/** One page: it keeps what it has heard over its connections, comes back with the last id, and may be slow. */
class Page {
  readonly heard: Heard[] = [];
  lastEventId: string | undefined;
  /** `gone`: it was told that there is nothing more; `lost`: that the task is unknown; `refused`: anything else. */
  over: 'gone' | 'lost' | 'refused' | undefined;
  /** What was published when it began to listen, and so is none of its business. */
  since = 0;
  blocked = false;
  connection = 0;
  #client: ConnectedClient | undefined;
  readonly #hub: EventHub;
  readonly #sessionId: string | undefined;

  constructor(hub: EventHub, sessionId?: string) {
    this.#hub = hub;
    this.#sessionId = sessionId;
  }

  get isConnected(): boolean {
    return this.#client !== undefined;
  }

  connect(published: number): void {
    if (this.#client !== undefined || this.over !== undefined) return;
    if (this.lastEventId === undefined) this.since = published;
    this.connection += 1;
    this.blocked = false;
    const connection = this.connection;
    const mine = (): boolean => this.#client !== undefined && this.connection === connection;
    const filter = { sessionId: this.#sessionId, chunks: false };
    const request = { taskId: TASK, filter, lastEventId: this.lastEventId };
    try {
      this.#client = this.#hub.connect(request, () => ({
        write: (text) => {
          if (mine()) this.#read(text);
          return !this.blocked;
        },
        end: () => mine() && this.drop(),
        close: () => mine() && this.drop(),
        destroy: () => mine() && this.drop(),
      }));
      if (this.#client === undefined) this.over = 'gone';
    } catch (error) {
      const { code } = error as { code: string };
      this.over = code === 'SPANLEDGER_UNKNOWN_TASK' ? 'lost' : 'refused';
    }
  }

  drop(): void {
    const client = this.#client;
    this.#client = undefined;
    client?.leave();
  }

  resume(): void {
    this.blocked = false;
    this.#client?.resume();
  }

  /** As `EventSource` reads: an id counts when its item is whole. */
  #read(text: string): void {
    for (const item of text.split('\n\n')) {
      const value = (key: string): string | undefined => new RegExp(`^${key}: (.*)$`, 'm').exec(item)?.[1];
      const [id, name = 'message', data] = [value('id'), value('event'), value('data')];
      if (id === undefined || data === undefined) continue;
      this.lastEventId = id;
      if (name !== 'stream.connected')
        this.heard.push({ id, name, data: JSON.parse(data) as Heard['data'], connection: this.connection });
    }
  }
}

/** What a page has heard is what it should, in order, once; and where something is missing, that was said. */
function expectHonest(page: Page, wanted: readonly number[], counts: boolean): void {
  let last = 0;
  let [told, droppedBefore, connection] = [true, 0, 0];
  for (const { name, data, connection: on } of page.heard) {
    if (on !== connection) [connection, droppedBefore] = [on, 0];
    if (name === 'lagged') {
      told = true;
      continue;
    }
    const seq = data.seq ?? 0;
    expect(seq).toBeGreaterThan(last);
    expect(wanted).toContain(seq);
    const missed = wanted.filter((one) => one > Math.max(last, page.since) && one < seq);
    if (missed.length > 0) expect(told).toBe(true);
    [last, told] = [seq, false];
  }
  if (!counts) return;
  // On one connection without an unknown gap, what was heard and what was counted is all.
  for (let on = 1; on <= page.connection; on += 1) {
    const items = page.heard.filter(({ connection: one }) => one === on);
    if (items.some(({ name, data }) => name === 'lagged' && data.dropped === undefined)) continue;
    const seqs = items.flatMap(({ data }) => data.seq ?? []);
    droppedBefore = Math.max(
      0,
      ...items.slice(0, items.findLastIndex(({ data }) => data.seq) + 1).map(({ data }) => data.dropped ?? 0),
    );
    const [first, end] = [seqs[0], seqs.at(-1)];
    if (first === undefined || end === undefined) continue;
    const missing = end - first + 1 - seqs.length;
    const beforeFirst =
      items
        .slice(
          0,
          items.findIndex(({ data }) => data.seq),
        )
        .at(-1)?.data.dropped ?? 0;
    expect(droppedBefore - beforeFirst).toBe(missing);
  }
}

const STEPS = ['connect', 'drop', 'block', 'resume'] as const;

describe('the hub, whatever the order of things', () => {
  it.each([
    { eventsMax: 1_000, graceFires: false, what: 'with room and time: no gap and no double' },
    { eventsMax: 2, graceFires: false, what: 'with little room: every hole is told, and counted' },
    { eventsMax: 3, graceFires: true, what: 'with no time: whoever comes back too late is told' },
  ])('$what', ({ eventsMax, graceFires }) =>
    fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.integer({ min: 1, max: 15 }),
        fc.array(fc.array(fc.constantFrom(...STEPS), { maxLength: 12 }), { minLength: 1, maxLength: 4 }),
        fc.constantFrom('terminal', 'close bus', 'close hub'),
        async (scheduler, count, plans, end) => {
          const bus = createEventBus();
          const timers = new Set<() => void>();
          const clock: HubClock = {
            soon: (action) => void scheduler.schedule(Promise.resolve(), 'soon').then(action),
            later: (_ms, action) => {
              const fire = (): void => void (timers.delete(fire) && action());
              timers.add(fire);
              if (graceFires) void scheduler.schedule(Promise.resolve(), 'grace').then(fire);
              return () => void timers.delete(fire);
            },
            every: () => () => {},
          };
          const hub = new EventHub(resolveTaskEvents({ bus, eventsMax }), clock);
          const sessions = [undefined, 's'];
          const pages = plans.map((_, n) => new Page(hub, sessions[n % 2]));
          let published = 0;
          const step = () => scheduler.schedule(Promise.resolve());

          const publisher = async (): Promise<void> => {
            while (published < count) {
              await step();
              published += 1;
              bus.publish(
                busEvent('tool_exec', { run_id: RUN, seq: published, session_id: published % 3 === 0 ? 't' : 's' }),
              );
            }
            await step();
            if (end === 'close bus') bus.close();
            else if (end === 'close hub') hub.close();
            else bus.publish(busEvent('workflow_complete', { run_id: RUN, seq: (published += 1) }));
          };
          const visitor = async (page: Page, plan: readonly (typeof STEPS)[number][]): Promise<void> => {
            for (const one of plan) {
              await step();
              if (one === 'connect') page.connect(published);
              else if (one === 'drop') page.drop();
              else if (one === 'resume') page.resume();
              else page.blocked = true;
            }
          };
          const acting = Promise.all([publisher(), ...pages.map((page, n) => visitor(page, plans[n] ?? []))]);
          await scheduler.waitFor(acting);
          const listeners = pages.filter(({ lastEventId }) => lastEventId !== undefined);
          // Everyone comes back, and takes what there is, until told that this is all.
          for (let round = 0; round < 6; round += 1) {
            for (const page of pages) {
              page.connect(published);
              page.resume();
            }
            await scheduler.waitAll();
            await turn();
          }
          await scheduler.waitAll();

          const wantedBy = (n: number): number[] =>
            Array.from({ length: published }, (_, i) => i + 1).filter(
              (seq) => n % 2 === 0 || seq % 3 !== 0 || seq > count,
            );
          for (const [n, page] of pages.entries()) {
            expect(page.over).toBeDefined();
            expectHonest(page, wantedBy(n), n % 2 === 0);
            if (end !== 'terminal') expect(page.over).toBe('refused');
            if (end !== 'terminal' || graceFires || !listeners.includes(page)) continue;
            expect(page.over).toBe('gone');
            expect(page.heard.at(-1)?.data.seq).toBe(published);
            if (eventsMax < 1_000) continue;
            const all = wantedBy(n).filter((seq) => seq > page.since);
            expect(page.heard.filter(({ name }) => name === 'lagged')).toEqual([]);
            expect(page.heard.map(({ data }) => data.seq).filter((seq) => (seq ?? 0) > page.since)).toEqual(all);
          }
          for (const fire of timers) fire();
          expect(hub.held).toEqual({ clients: 0, tasks: 0, bytes: 0 });
          expectNobodyListens(bus, end === 'close bus');
          expect(timers.size).toBe(0);
        },
      ),
      { numRuns: 300 },
    ),
  );
});

function expectNobodyListens(bus: EventBus, closed: boolean): void {
  expect(bus.wants('tool_exec')).toBe(false);
  expect(bus.wants('workflow_complete')).toBe(!closed);
}

describe('bounds of the hub', () => {
  /** A clock that does everything when it is told to. */
  function manualClock() {
    const timers = new Set<() => void>();
    const clock: HubClock = {
      soon: (action) => void setImmediate(action),
      later: (_ms, action) => {
        timers.add(action);
        return () => void timers.delete(action);
      },
      every: () => () => {},
    };
    return { clock, timers };
  }
  const everything = { chunks: true };
  const outlet = (write: (text: string) => boolean = () => true) => ({ write, end() {}, close() {}, destroy() {} });
  const visit = (hub: EventHub, taskId: string, lastEventId?: string) =>
    hub.connect({ taskId, filter: everything, lastEventId }, () => outlet());

  it('tasks: the one that was left first gives way, and never one that has a client', () => {
    const bus = createEventBus();
    const hub = new EventHub(resolveTaskEvents({ bus, tasksMax: 3 }), manualClock().clock);
    const [a, b] = [visit(hub, 'a'), visit(hub, 'b')];
    visit(hub, 'c');
    b?.leave();
    a?.leave();
    visit(hub, 'd');
    expect(bus.publish(busEvent('tool_exec', { task_id: 'b' })).delivered).toBe(0);
    expect(bus.publish(busEvent('tool_exec', { task_id: 'a' })).delivered).toBe(1);
    visit(hub, 'e');
    expect(() => visit(hub, 'f')).toThrow(expect.objectContaining({ code: 'SPANLEDGER_BUS_FULL' }));
    expect(hub.held).toMatchObject({ clients: 3, tasks: 3 });
    hub.close();
    expect(hub.held).toEqual({ clients: 0, tasks: 0, bytes: 0 });
    expect(bus.wants('tool_exec')).toBe(false);
  });

  it.each([
    ['tasks', { tasksMax: 1 }],
    ['clients', { clientsMax: 1 }],
  ])('%s: who asks only whether there is room hears the same, and changes nothing', (_, bound) => {
    const bus = createEventBus();
    const hub = new EventHub(resolveTaskEvents({ bus, ...bound }), manualClock().clock);
    const ask = (): void => hub.check({ taskId: 'b', filter: everything, lastEventId: undefined });
    const a = visit(hub, 'a');
    expect(ask).toThrow(expect.objectContaining({ code: 'SPANLEDGER_BUS_FULL' }));
    a?.leave();
    ask();
    expect(bus.publish(busEvent('tool_exec', { task_id: 'a' })).delivered).toBe(1);
    expect(hub.held).toMatchObject({ clients: 0, tasks: 1 });
    hub.close();
  });

  it('bytes: over all tasks; what nobody reads goes first, then the oldest of the one that grows, but for its newest', async () => {
    const bus = createEventBus();
    const bytesMax = 100_000;
    const hub = new EventHub(resolveTaskEvents({ bus, bytesMax }), manualClock().clock);
    const fill = async (task_id: string, count: number, size = 9_000): Promise<void> => {
      for (let seq = 1; seq <= count; seq += 1) {
        bus.publish(busEvent('tool_exec', { task_id, run_id: task_id, seq, fields: { text: 'é'.repeat(size / 2) } }));
        await turn();
        expect(hub.held.bytes).toBeLessThanOrEqual(Math.max(bytesMax, size + 1_000));
      }
    };
    visit(hub, 'left')?.leave();
    await fill('left', 8);
    expect(hub.held.tasks).toBe(1);
    visit(hub, 'busy');
    await fill('busy', 30);
    expect(hub.held).toMatchObject({ tasks: 1, clients: 1 });
    expect(hub.held.bytes).toBeGreaterThan(80_000);
    await fill('busy', 31, 60_000);
    hub.close();
    expect(hub.held.bytes).toBe(0);
  });

  it('bytes: nothing is counted of a task that is forgotten while an event is on its way to it', async () => {
    const bus = createEventBus();
    const hub = new EventHub(resolveTaskEvents({ bus }), manualClock().clock);
    visit(hub, TASK);
    await turn();
    bus.publish(busEvent('tool_exec', { run_id: RUN, seq: 1 }));
    hub.close();
    await turn();
    expect(hub.held).toEqual({ clients: 0, tasks: 0, bytes: 0 });
  });

  it('a client that never reads: it holds one write, and is cut off when its finished task is forgotten', async () => {
    const bus = createEventBus();
    const { clock, timers } = manualClock();
    const hub = new EventHub(resolveTaskEvents({ bus, eventsMax: 4 }), clock);
    let [written, destroyed] = [0, 0];
    const stuck = { ...outlet(() => ((written += 1), false)), destroy: () => void (destroyed += 1) };
    hub.connect({ taskId: TASK, filter: everything, lastEventId: undefined }, () => stuck);
    for (let seq = 1; seq <= 100; seq += 1) {
      bus.publish(busEvent('tool_exec', { run_id: RUN, seq }));
      await turn();
    }
    bus.publish(busEvent('workflow_complete', { run_id: RUN, seq: 101 }));
    await turn();
    await turn();
    expect([written, destroyed]).toEqual([1, 0]);
    expect([...timers]).toHaveLength(1);
    for (const fire of timers) fire();
    expect(destroyed).toBe(1);
    expect(hub.held).toEqual({ clients: 0, tasks: 0, bytes: 0 });
  });

  it('the terminal event is sent before its task is forgotten, however short the grace and busy the process', async () => {
    const bus = createEventBus();
    const { clock, timers } = manualClock();
    const never = { ...clock, soon: () => {} };
    const hub = new EventHub(resolveTaskEvents({ bus, graceMs: 0 }), never);
    let text = '';
    hub.connect({ taskId: TASK, filter: everything, lastEventId: undefined }, () =>
      outlet((more) => ((text += more), true)),
    );
    bus.publish(busEvent('workflow_complete', { run_id: RUN, seq: 1 }));
    await turn();
    for (const expire of timers) expire();
    expect(text).toContain('event: workflow_complete');
    expect(hub.held).toEqual({ clients: 0, tasks: 0, bytes: 0 });
  });

  it('time: a task is left alone while it has a client, and forgotten a while after the last one has left', () => {
    const bus = createEventBus();
    const { clock, timers } = manualClock();
    const hub = new EventHub(resolveTaskEvents({ bus }), clock);
    const [first, second] = [visit(hub, TASK), visit(hub, TASK)];
    first?.leave();
    expect(timers.size).toBe(0);
    second?.leave();
    expect(timers.size).toBe(1);
    const back = visit(hub, TASK);
    expect(timers.size).toBe(0);
    back?.leave();
    back?.leave();
    expect([timers.size, bus.wants('tool_exec')]).toEqual([1, true]);
    for (const fire of timers) fire();
    expect(hub.held).toEqual({ clients: 0, tasks: 0, bytes: 0 });
    expect(bus.wants('tool_exec')).toBe(false);
  });

  it('a slow client is told of what it would have had, and not of what its filter leaves out', async () => {
    const bus = createEventBus();
    const hub = new EventHub(resolveTaskEvents({ bus, eventsMax: 2 }), manualClock().clock);
    let [text, takes] = ['', false];
    const filter = { sessionId: 's', chunks: false };
    const slow = outlet((more) => ((text += more), takes));
    const client = hub.connect({ taskId: TASK, filter, lastEventId: undefined }, () => slow);
    await turn();
    for (let seq = 1; seq <= 10; seq += 1) {
      bus.publish(busEvent('tool_exec', { run_id: RUN, seq, session_id: seq % 4 === 0 ? 's' : 't' }));
      await turn();
    }
    takes = true;
    client?.resume();
    expect(text).toMatch(/"dropped":2\}\n\n$/);
    hub.close();
  });

  it('a quick client loses nothing to a burst that is more than the memory of the task', async () => {
    const bus = createEventBus();
    const hub = new EventHub(resolveTaskEvents({ bus, eventsMax: 4 }), manualClock().clock);
    let text = '';
    const request = { taskId: TASK, filter: everything, lastEventId: undefined };
    hub.connect(request, () => outlet((more) => ((text += more), true)));
    for (let seq = 1; seq <= 40; seq += 1) {
      bus.publish(busEvent('tool_exec', { run_id: RUN, seq }));
      // The bus has had its turn, and the hub's is still to come.
      for (let i = 0; i < 10; i += 1) await Promise.resolve();
    }
    await turn();
    await turn();
    expect(text.match(/^id: run-1:\d+$/gm)).toHaveLength(40);
    hub.close();
  });

  it('chunks take the place of events only where somebody has asked for them', async () => {
    const bus = createEventBus();
    const hub = new EventHub(resolveTaskEvents({ bus }), manualClock().clock);
    const plain = { taskId: TASK, filter: { chunks: false }, lastEventId: undefined };
    hub.connect(plain, () => outlet());
    const chunk = async (): Promise<number> => {
      bus.publish(busEvent('request.text_chunk'));
      await turn();
      return hub.held.bytes;
    };
    expect(await chunk()).toBe(0);
    hub.connect({ ...plain, filter: everything }, () => outlet());
    expect(await chunk()).toBeGreaterThan(0);
    hub.close();
  });

  it('an id that would not stay in its line is replaced, and a name that EventSource has itself is left out', async () => {
    const bus = createEventBus();
    const hub = new EventHub(resolveTaskEvents({ bus }), manualClock().clock);
    let text = '';
    hub.connect({ taskId: TASK, filter: everything, lastEventId: undefined }, () =>
      outlet((more) => ((text += more), true)),
    );
    bus.publish(busEvent('error', { run_id: 'a\ndata: forged\n\nevent: b', seq: 1 }));
    await turn();
    await turn();
    expect(text).toMatch(/^id: \S+\nevent: stream.connected\ndata: \{\}\n\nid: [0-9a-f-]{36}\.0\ndata: \{.*\}\n\n$/);
    hub.close();
  });

  it.each([
    '',
    '.',
    '.x',
    '.-0.5',
    '.0.5',
    '. 0',
    '.00',
    '.0x0',
    '.0e0',
    '.-0',
    '.1',
    '.-2',
    '.9007199254740993',
    '.Infinity',
  ])(
    'an id that nobody was given (%j behind the name of the memory) is one that is not known, and ends nothing',
    async (forged) => {
      const bus = createEventBus();
      const hub = new EventHub(resolveTaskEvents({ bus }), manualClock().clock);
      const texts: string[] = [];
      const connect = (lastEventId?: string) => {
        texts.push('');
        const mine = texts.length - 1;
        hub.connect({ taskId: TASK, filter: everything, lastEventId }, () =>
          outlet((more) => ((texts[mine] += more), true)),
        );
      };
      connect();
      await turn();
      const [name] = /[0-9a-f-]{36}/.exec(texts[0]!)!;
      bus.publish(busEvent('tool_exec', { run_id: RUN, seq: 1 }));
      await turn();
      connect(`${name}${forged}`);
      await turn();
      expect(texts[1]).toMatch(/event: lagged\ndata: \{"type":"lagged"\}\n\nid: run-1:1\n/);
      hub.close();
    },
  );
});
