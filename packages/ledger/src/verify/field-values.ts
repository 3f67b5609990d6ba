const SHA256_HEX = /^[0-9a-f]{64}$/;

export function isSha256(value: unknown): value is string {
  return typeof value === 'string' && SHA256_HEX.test(value);
}

/** A number that an event may have, or a count of events. */
export function isSeq(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1;
}

/** Longer names than any of ours (ids: 128) are not held on to: one event may be of 16 MiB (I7). UTF-16 units. */
const NAME_MAX = 256;

/** @returns what is a name; nothing else is held on to, and no object that is nested without end is looked into. */
export function nameOf(value: unknown): string | undefined {
  return isName(value) ? value : undefined;
}

/** A name, of whatever, that a reader may keep for as long as it reads. */
export function isName(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= NAME_MAX;
}

/** A name, or anything but a text: what may be held on to once it is known to be a text. */
export function isShort(value: unknown): boolean {
  return typeof value !== 'string' || value.length <= NAME_MAX;
}
