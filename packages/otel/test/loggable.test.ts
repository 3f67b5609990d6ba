import { describe, expect, it } from 'vitest';
import { loggable } from '../src/redaction/loggable.ts';

const KEY = ['AKIA', 'QWERTYUIOPASDFG2'].join('');
const failed = (n: number | string): Error => new Error(`address ${n} refused ${KEY}`);

describe('what was thrown, as text for the log', () => {
  it('has the message of its cause, and of the cause of that', () => {
    const text = loggable(new Error('late', { cause: new TypeError('slow', { cause: `full of ${KEY}` }) }));
    expect(text).toMatch(
      /^Error: late\n {4}at .*\n\[cause\]: TypeError: slow\n {4}at .*\n\[cause\]: full of \[REDACTED\]$/s,
    );
  });

  it('has the messages of the members of an AggregateError, without their stacks and secrets', () => {
    const text = loggable(new AggregateError([failed(1), `no ${KEY}`, undefined], 'none was reached'));
    expect(text).toMatch(/^AggregateError: none was reached\n {4}at /);
    expect(text.split('\n').filter((line) => line.startsWith('['))).toEqual([
      '[error]: Error: address 1 refused [REDACTED]',
      '[error]: no [REDACTED]',
      '[error]: undefined',
    ]);
  });

  it('has them too where they are the cause, and their causes', () => {
    const members = [new Error('a', { cause: failed(2) }), new AggregateError([failed(3)], 'b')];
    const text = loggable(new TypeError('fetch failed', { cause: new AggregateError(members, 'both') }));
    const labels = text.split('\n').filter((line) => line.startsWith('['));
    expect(labels).toEqual([
      '[cause]: AggregateError: both',
      '[error]: Error: a',
      '[cause]: Error: address 2 refused [REDACTED]',
      '[error]: AggregateError: b',
      '[error]: Error: address 3 refused [REDACTED]',
    ]);
  });

  it('has five members, and says how many more there are', () => {
    const text = loggable(new AggregateError(Array.from({ length: 9 }, (_, n) => failed(n))));
    expect(text).toContain('address 4 refused');
    expect(text).not.toContain('address 5 refused');
    expect(text).toMatch(/\[error\]: and 4 more$/);
  });

  it('goes three levels down', () => {
    let error = failed('deepest');
    for (const level of ['third', 'second', 'first']) error = new AggregateError([error], level);
    expect(loggable(error)).toContain('address deepest refused');
    expect(loggable(new Error('outermost', { cause: error }))).not.toContain('address deepest refused');
  });

  it('ends where an error is its own cause and member, and each of its members too', () => {
    const circle = new AggregateError([], 'round');
    circle.errors.push(circle, circle, circle, circle, circle);
    circle.cause = circle;
    const text = loggable(circle);
    expect(text.match(/round/g)!.length).toBeLessThanOrEqual(16);
    expect(text.length).toBeLessThanOrEqual(4096 + '…[truncated:99999]'.length);
  });

  it('is bounded, such that one long message leaves room for the others, and a cut hides no secret', () => {
    for (let padding = 400; padding < 1_100; padding += 1) {
      const long = `${' '.repeat(padding)}${KEY} ${'x '.repeat(100_000)}`;
      const text = loggable(new AggregateError([new Error(long), failed(2)], long, { cause: failed(3) }));
      expect(text).not.toContain(KEY.slice(0, 12));
      expect(text).toContain('address 2 refused [REDACTED]');
      expect(text).toContain('address 3 refused [REDACTED]');
      expect(text.length).toBeLessThanOrEqual(4096 + '…[truncated:99999]'.length);
    }
  });

  it.each<[string, unknown, RegExp]>([
    ['a text', `no ${KEY}`, /^no \[REDACTED\]$/],
    ['nothing', undefined, /^undefined$/],
    ['an object that is no text', Object.create(null), /^\[unreadable\]$/],
    [
      'an error without a stack',
      Object.assign(failed(1), { stack: undefined }),
      /^Error: address 1 refused \[REDACTED\]$/,
    ],
    [
      'members that are no list',
      Object.assign(new AggregateError([], 'odd'), { errors: 7 }),
      /^AggregateError: odd\n.*\[unreadable\]$/s,
    ],
    [
      'a member that is no text',
      new AggregateError([Object.create(null)], 'odd'),
      /^AggregateError: odd\n.*\[unreadable\]$/s,
    ],
  ])('never throws: %s', (_, thrown, text) => {
    expect(loggable(thrown)).toMatch(text);
  });
});
