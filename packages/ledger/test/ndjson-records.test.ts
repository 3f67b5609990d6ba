import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ndjsonRecords } from '@spanledger/ledger';

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

async function* chunksOf(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size);
}

async function read(chunks: AsyncIterable<Uint8Array>): Promise<{ text: string; streamSeq: number }[]> {
  const records = [];
  for await (const { bytes, streamSeq } of ndjsonRecords(chunks))
    records.push({ text: decoder.decode(bytes), streamSeq });
  return records;
}

describe('ndjsonRecords', () => {
  it('yields every line as it stands, however the bytes are cut', async () => {
    const line = fc.string({ unit: 'binary' }).map((text) =>
      text
        .replaceAll('\n', '')
        .replace(/^\uFEFF+|\r+$/g, '')
        .toWellFormed(),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(line), fc.boolean(), fc.integer({ min: 1, max: 40 }), async (lines, ended, size) => {
        const bytes = encoder.encode(lines.join('\n') + (ended ? '\n' : ''));
        const expected = lines.map((text, i) => ({ text, streamSeq: i + 1 })).filter(({ text }) => text !== '');
        expect(await read(chunksOf(bytes, size))).toEqual(expected);
      }),
    );
  });

  it('keeps lines apart when a stream uses one buffer for all chunks', async () => {
    async function* reused(): AsyncGenerator<Uint8Array> {
      const buffer = new Uint8Array(2);
      for (const text of ['ab', 'c\n', 'de', '\nf']) {
        encoder.encodeInto(text, buffer);
        yield buffer;
      }
    }
    expect((await read(reused())).map(({ text }) => text)).toEqual(['abc', 'de', 'f']);
  });

  it('takes no byte order mark and no carriage return for a part of an event', async () => {
    const bytes = encoder.encode('\uFEFF{"a":1}\r\n\r\n{"b":2}\r\n{"c":3}');
    expect(await read(chunksOf(bytes, 8))).toEqual([
      { text: '{"a":1}', streamSeq: 1 },
      { text: '{"b":2}', streamSeq: 3 },
      { text: '{"c":3}', streamSeq: 4 },
    ]);
  });

  it('cuts a line that has no end, and goes on with the next', async () => {
    const mebibyte = new Uint8Array(1024 * 1024).fill(0x78);
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (let i = 0; i < 40; i += 1) yield mebibyte;
      yield encoder.encode('\n{}\n');
    }
    const records = await read(endless());
    expect(records.map(({ text }) => text.length)).toEqual([16 * 1024 * 1024, 2]);
  });
});
