import { randomUUID } from 'node:crypto';
import { cp, mkdir, readdir } from 'node:fs/promises';
import path from 'node:path';
import type { SealedEvent } from '@spanledger/protocol';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { openJournal } from '../../src/index.ts';
import type { Journal } from '../../src/index.ts';
import { collect, newDirectory, sealedEvent } from './journal-support.ts';

type Command =
  | { readonly kind: 'append'; readonly padding: number }
  | { readonly kind: 'acknowledge'; readonly which: number; readonly count: number }
  | { readonly kind: 'durable' }
  | { readonly kind: 'read'; readonly after: number }
  | { readonly kind: 'crash' };

const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ kind: fc.constant('append' as const), padding: fc.nat({ max: 3_000 }) }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('acknowledge' as const), which: fc.nat(), count: fc.nat({ max: 20 }) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('durable' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('read' as const), after: fc.nat({ max: 60 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('crash' as const) }) },
);

/** What the journal was told, and nothing else. */
class Model {
  readonly events: SealedEvent[] = [];
  readonly acknowledged = new Set<number>();

  expectReadable(read: readonly { position: number; event: SealedEvent; acknowledged: boolean }[], after = 0): void {
    const positions = read.map(({ position }) => position);
    expect(positions).toEqual(positions.toSorted((a, b) => a - b));
    for (const { position, event, acknowledged } of read) {
      expect(event).toEqual(this.events[position - 1]);
      if (acknowledged) expect(this.acknowledged.has(position)).toBe(true);
    }
    const there = new Set(positions);
    const missing = this.events.map((_, i) => i + 1).filter((position) => position > after && !there.has(position));
    expect(missing.filter((position) => !this.acknowledged.has(position))).toEqual([]);
  }
}

/** What a kill would leave: the files as the operating system has them, under no lock. */
async function adoptCopy(journal: Journal, model: Model): Promise<void> {
  const copy = path.join(path.dirname(journal.folder), randomUUID());
  await mkdir(copy);
  const names = (await readdir(journal.folder)).filter((name) => !name.startsWith('lock-'));
  for (const name of names) await cp(path.join(journal.folder, name), path.join(copy, name)).catch(() => {});
  const adopted = await journal.adopt(copy);
  const read = await collect(adopted.read());
  expect(adopted.lost).toEqual([]);
  expect(adopted.damages).toEqual([]);
  expect(adopted.unacknowledged).toBe(read.filter(({ acknowledged }) => !acknowledged).length);
  model.expectReadable(read);
  for (const { position } of read) adopted.acknowledge(position);
  await adopted.close();
}

it('behaves like a list of events, whatever is appended, acknowledged, read or cut off by a crash', async () => {
  const directory = await newDirectory();
  const run = async (commands: readonly Command[], retentionMs: number): Promise<void> => {
    const options = { directory, producer: randomUUID(), segmentBytes: 8_192, retentionMs };
    const journal = openJournal(options);
    const model = new Model();
    for (const step of [...commands, { kind: 'crash' } as const]) await apply(journal, model, step);
    await journal.close();
    const next = openJournal(options);
    const left = (await next.adoptable()).find((folder) => folder === journal.folder);
    const read = left === undefined ? [] : await collect((await next.adopt(left)).read());
    model.expectReadable(read);
    await next.close();
  };
  const apply = async (journal: Journal, model: Model, step: Command): Promise<void> => {
    switch (step.kind) {
      case 'append': {
        const event = sealedEvent(model.events.length + 1, step.padding);
        model.events.push(event);
        expect(journal.append(event)).toEqual({ status: 'written', position: model.events.length });
        return;
      }
      case 'acknowledge': {
        if (model.events.length === 0) return;
        const first = (step.which % model.events.length) + 1;
        for (let position = first; position < first + step.count && position <= model.events.length; position += 1) {
          model.acknowledged.add(position);
          journal.acknowledge(position);
        }
        return;
      }
      case 'durable':
        return journal.whenDurable(journal.position);
      case 'read':
        return model.expectReadable(await collect(journal.read(step.after)), step.after);
      case 'crash':
        return adoptCopy(journal, model);
      default:
        step satisfies never;
    }
  };
  await fc.assert(fc.asyncProperty(fc.array(command, { maxLength: 120 }), fc.constantFrom(0, 600_000), run), {
    numRuns: 60,
  });
});
