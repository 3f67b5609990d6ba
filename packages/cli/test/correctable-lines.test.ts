import { once } from 'node:events';
import { PassThrough, Writable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CorrectableLines } from '../src/terminal/correctable-lines.ts';
import { Terminal } from '../src/terminal/terminal.ts';
import { Screen } from './screen.ts';

interface TtyOptions {
  readonly columns: number;
  readonly rows: number;
  readonly isTTY?: boolean;
  readonly env?: Record<string, string>;
}

/** A screen, and lines that are printed to it. */
class Tty {
  readonly lines: CorrectableLines;
  readonly #screen: Screen;
  readonly #stdout: Writable;

  constructor({ columns, rows, isTTY = true, env = {} }: TtyOptions) {
    const screen = new Screen(columns, rows);
    // What a pseudo-terminal does with line breaks.
    const write = (chunk: Buffer, _: unknown, done: () => void): void =>
      void screen.write(chunk.toString().replaceAll('\n', '\r\n')).then(done);
    this.#screen = screen;
    this.#stdout = Object.assign(new Writable({ write }), { isTTY, columns, rows });
    this.lines = new CorrectableLines(
      new Terminal({ stdin: new PassThrough(), stdout: this.#stdout, stderr: new PassThrough(), env }),
    );
  }

  /** What was written before is on the screen before. */
  async resize(columns: number, rows: number): Promise<void> {
    while (this.#stdout.writableLength > 0) await new Promise(setImmediate);
    this.#screen.resize(columns, rows);
    Object.assign(this.#stdout, { columns, rows });
  }

  async seen(): Promise<string[]> {
    this.#stdout.end();
    if (!this.#stdout.writableFinished) await once(this.#stdout, 'finish');
    return this.#screen.lines();
  }
}

const SMALL = { columns: 10, rows: 8 };
const mark = (text: string): string => `${text}, gone`;

async function printed(tty: Tty, ...texts: string[]): Promise<Tty> {
  for (const text of texts) await tty.lines.print(text, text.slice(0, 1));
  return tty;
}

describe('lines on a terminal', () => {
  it('are corrected where they stand, wrapped or not, and others stay as they are', async () => {
    const tty = await printed(new Tty(SMALL), 'a line', '\u001b[31mb is wrapped around\u001b[39m', 'c line', 'd');
    expect(await tty.lines.correct(new Set(['a', 'c', 'x']), mark)).toEqual(new Set(['a', 'c']));
    await tty.lines.print('e');
    expect(await tty.seen()).toEqual(['a line, gone', 'b is wrapped around', 'c line, gone', 'd', 'e']);
  });

  it('are taken away where a correction says so', async () => {
    const tty = await printed(new Tty(SMALL), 'a', 'b', 'c');
    await tty.lines.correct(new Set(['b']), () => undefined);
    expect(await tty.seen()).toEqual(['a', 'c']);
  });

  it('are left alone once they have scrolled away', async () => {
    const tty = await printed(new Tty(SMALL), 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i');
    expect(await tty.lines.correct(new Set(['a', 'b', 'c']), mark)).toEqual(new Set(['c']));
    expect(await tty.seen()).toEqual(['a', 'b', 'c, gone', 'd', 'e', 'f', 'g', 'h', 'i']);
  });

  it.each([
    ['a line that ends at the very edge', 'x'.repeat(20)],
    ['a line as wide as the terminal has it', '日本語日本語'],
  ])('are left alone above %s', async (_, unsure) => {
    const tty = await printed(new Tty(SMALL), 'a', unsure, 'c');
    expect(await tty.lines.correct(new Set(['a', 'c']), mark)).toEqual(new Set(['c']));
    expect(await tty.seen()).toEqual(['a', unsure, 'c, gone']);
  });

  it('are left alone after the window was resized, or another has written', async () => {
    const tty = await printed(new Tty(SMALL), 'a', 'b');
    await tty.resize(6, 8);
    expect(await tty.lines.correct(new Set(['a']), mark)).toEqual(new Set());
    await printed(tty, 'c');
    expect(await tty.lines.correct(new Set(['c']), mark)).toEqual(new Set(['c']));
    tty.lines.forget();
    expect(await tty.lines.correct(new Set(['c']), mark)).toEqual(new Set());
    expect(await tty.seen()).toEqual(['a', 'b', 'c, gone']);
  });

  it.each([
    ['a pipe', { ...SMALL, isTTY: false }],
    ['a terminal that cannot', { ...SMALL, env: { TERM: 'dumb' } }],
    ['one of no size', { columns: 0, rows: 0 }],
  ])('are not corrected in %s', async (_, options) => {
    const lines: string[] = [];
    const stdout = Object.assign(
      new Writable({
        write: (chunk: Buffer, __, done) => {
          lines.push(chunk.toString());
          done();
        },
      }),
      { isTTY: true, ...options },
    );
    const env = 'env' in options ? options.env : {};
    const terminal = new Terminal({ stdin: new PassThrough(), stdout, stderr: new PassThrough(), env });
    const plain = new CorrectableLines(terminal);
    await plain.print('a', 'a');
    expect(await plain.correct(new Set(['a']), mark)).toEqual(new Set());
    expect(lines).toEqual(['a\n']);
  });

  it('show what was printed and what was corrected, whatever their length, and however the window changes', async () => {
    const text = fc.oneof(
      fc.integer({ min: 0, max: 45 }).map((length) => 'x'.repeat(length)),
      fc.constantFrom('é', '日本', '😀', '日本語 wide text', '\u001b[1mbold\u001b[22m'),
    );
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.record({ print: text }) },
      { weight: 2, arbitrary: fc.record({ correct: fc.array(fc.nat(30), { minLength: 1 }), removes: fc.boolean() }) },
      {
        weight: 1,
        arbitrary: fc.record({ columns: fc.integer({ min: 8, max: 30 }), rows: fc.integer({ min: 2, max: 9 }) }),
      },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const tty = new Tty({ columns: 12, rows: 6 });
        let expected: { id: string; text: string }[] = [];
        let next = 0;
        for (const one of steps) {
          if ('print' in one) {
            const id = String((next += 1));
            // A name in front, so that no two lines are alike; none ends in a blank, which a screen does not tell from nothing.
            await tty.lines.print(`${id}:${one.print}.`, id);
            // oxlint-disable-next-line no-control-regex -- colours
            expected.push({ id, text: `${id}:${one.print}.`.replaceAll(/\u001b\[\d+m/g, '') });
          } else if ('correct' in one) {
            const ids = new Set(one.correct.map(String));
            const corrected = await tty.lines.correct(ids, one.removes ? () => undefined : mark);
            expected = expected.flatMap((line) => {
              if (!corrected.has(line.id)) return [line];
              return one.removes ? [] : [{ ...line, text: mark(line.text) }];
            });
          } else {
            await tty.resize(one.columns, one.rows);
          }
        }
        expect(await tty.seen()).toEqual(expected.map((line) => line.text));
      }),
      { numRuns: 300 },
    );
  });
});
