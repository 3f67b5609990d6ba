const SLAB_BYTES = 65_536;
/** Longer texts have memory of their own: at the end of a slab at most this much stays unused. */
const SHARE_MAX_BYTES = SLAB_BYTES / 8;
/** UTF-8 needs at most three bytes for a UTF-16 unit. */
const BYTES_PER_UNIT_MAX = 3;

const encoder = new TextEncoder();
let slab = new Uint8Array(SLAB_BYTES);
let used = 0;

/**
 * UTF-8 bytes of a text; lone surrogates become U+FFFD.
 *
 * They are a view into memory that texts encoded before and after share: an allocation for each costs six times as much as
 * encoding it, and the garbage collector as much again. A view keeps at most 64 KiB alive.
 */
export function encodeUtf8(text: string): Uint8Array {
  const bytesMax = text.length * BYTES_PER_UNIT_MAX;
  if (bytesMax > SHARE_MAX_BYTES) return encoder.encode(text);
  if (bytesMax > SLAB_BYTES - used) {
    slab = new Uint8Array(SLAB_BYTES);
    used = 0;
  }
  const start = used;
  used += encoder.encodeInto(text, slab.subarray(start)).written;
  return slab.subarray(start, used);
}
