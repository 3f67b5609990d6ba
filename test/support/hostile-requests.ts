import { WORKFLOW_FIELDS } from '@spanledger/protocol';
import { seededRandom } from './seeded-random.ts';

/** One request as it goes over the wire, and the workflow fields that its event may have: those, and no others. */
export interface HostileRequest {
  readonly mark: string;
  readonly kind: string;
  readonly bytes: Buffer;
  readonly expected: Readonly<Record<string, string | number>>;
}

const VISIBLE = Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i)).join('');
const KEPT_WORDS = [
  '__proto__',
  'constructor',
  'toString',
  '-',
  '*',
  '>',
  'a.b',
  '%2A',
  '$JS.API',
  'null',
  '{}',
  '[0]',
];
const ATTEMPTS = [
  '1',
  '2',
  '9007199254740991',
  '9007199254740992',
  '0',
  '-1',
  '1e3',
  '0x10',
  '01',
  '1.0',
  'NaN',
  '\xb2',
];

/** Requests of a dozen kinds, in turn: the same in every run. Values are written as Latin-1, byte by byte. */
export function hostileRequests(count: number, seed: number): HostileRequest[] {
  const random = seededRandom(seed);
  const below = (max: number): number => Math.floor(random() * max);
  const oneOf = <T>(choices: ArrayLike<T>): T => choices[below(choices.length)]!;
  const text = (alphabet: string, max: number): string =>
    Array.from({ length: 1 + below(max) }, () => oneOf(alphabet)).join('');
  const good = (): string => text(VISIBLE, 128);

  /** Values for one header: more than one repeats it, none leaves it out. */
  const kinds: Record<string, () => string[]> = {
    valid: () => [good()],
    'kept words': () => [oneOf(KEPT_WORDS)],
    wildcards: () => [text('.*>', 12)],
    'white space around': () => [` \t${good()}\t `],
    'white space inside': () => [`${text(VISIBLE, 8)} ${text(VISIBLE, 8)}`],
    empty: () => [oneOf(['', ' ', '\t'])],
    'too long': () => [text(VISIBLE, 64).padEnd(129 + below(900), 'x')],
    '100 kB': () => ['x'.repeat(100_000)],
    'not ASCII': () => [`${text(VISIBLE, 8)}${text('\x80\x85\xa0\xad\xc3\xa9\xff', 8)}`],
    'control characters': () => [`${text(VISIBLE, 8)}${oneOf('\x00\x01\x08\x0b\x1b\x7f')}${text(VISIBLE, 8)}`],
    repeated: () => [good(), good()],
    'repeated, once empty': () =>
      oneOf([
        [good(), ''],
        ['', good()],
        ['', ''],
        [good(), '', ''],
      ]),
    'line break': () => [`${text(VISIBLE, 8)}\r\nX-Workflow-Stage-Id: ${good()}`],
    'bare line feed': () => [`${text(VISIBLE, 8)}\nX-Workflow-Id: forged`],
    'folded line': () => [`${text(VISIBLE, 8)}\r\n forged`],
  };
  const names = Object.keys(kinds);

  return Array.from({ length: count }, (_, n) => {
    const kind = names[n % names.length]!;
    const lines = ['__proto__: {"workflow_id":"forged"}', 'constructor: forged'];
    // One header of this kind for sure, the others of any harmless or hostile kind, or not there.
    const certain = below(WORKFLOW_FIELDS.length);
    for (const [i, { key, header }] of WORKFLOW_FIELDS.entries()) {
      if (i !== certain && random() < 0.5) continue;
      const values = i === certain ? kinds[kind]!() : key === 'attempt' ? [oneOf(ATTEMPTS)] : [good()];
      for (const value of values) lines.push(`${random() < 0.3 ? header.toLowerCase() : header}:${value}`);
    }
    const head = `GET /work?mark=h${n} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n`;
    const block = lines.join('\r\n');
    return { mark: `h${n}`, kind, bytes: Buffer.from(`${head}${block}\r\n\r\n`, 'latin1'), expected: fieldsOf(block) };
  });
}

/** What the contract says of a block of headers, written a second time: one line for a name, and a valid value in it. */
function fieldsOf(block: string): Record<string, string | number> {
  const lines = block.split('\r\n').map((line) => /^([^:]*):[ \t]*([^]*?)[ \t]*$/.exec(line));
  const fields: Record<string, string | number> = {};
  for (const { header, field, key } of WORKFLOW_FIELDS) {
    const values = lines.filter((line) => line?.[1]?.toLowerCase() === header.toLowerCase()).map((line) => line![2]!);
    const [value = ''] = values;
    if (values.length !== 1 || !/^[!-~]{1,128}$/.test(value)) continue;
    if (key !== 'attempt') fields[field] = value;
    else if (/^[1-9]\d*$/.test(value) && Number.isSafeInteger(Number(value))) fields[field] = Number(value);
  }
  return fields;
}
