const HASH_BYTES = 16;
const START_SIZE = 64;

/**
 * What is kept of one run while the stream is read: of each number its hash, its link (the first 16 bytes of both), its
 * place, its payload's number, and when it was stored. 48 bytes per event, and nothing of the content.
 */
export class RunRecord {
  producer;
  lastSeq = 0;
  /** Different contents: numbers, and what came under a number that was taken. */
  events = 0;
  /** Copies of bytes seen before. */
  copies = 0;
  /** Of these, those that came while the server should have known the message id, and dropped them. */
  copiesInWindow = 0;
  /** Numbers that came with other bytes as well. */
  conflicts = 0;
  ended = false;
  /** `<process>:<r>` of the events of the designated kind. */
  payloadRun = undefined;
  #size = 0;
  #hashes = Buffer.alloc(0);
  #links = Buffer.alloc(0);
  #places = new Uint32Array(0);
  #payloads = new Uint32Array(0);
  #storedAtMs = new Float64Array(0);

  constructor(producer) {
    this.producer = producer;
  }

  /** @param {number} payload its number in the payload, 0 for an event of another kind. @returns whether it is new */
  add({ seq, hash, link, place, payload, storedAtMs, duplicateWindowMs }) {
    if (seq > this.#size) this.#grow(seq);
    if (this.has(seq)) {
      if (this.isHash(seq, hash)) this.#copy(seq, storedAtMs, duplicateWindowMs);
      else this.#conflict();
      return false;
    }
    this.#storedAtMs[seq - 1] = storedAtMs;
    this.#hashes.write(hash.slice(0, 2 * HASH_BYTES), (seq - 1) * HASH_BYTES, 'hex');
    this.#links.write(link.slice(0, 2 * HASH_BYTES), (seq - 1) * HASH_BYTES, 'hex');
    this.#places[seq - 1] = place;
    this.#payloads[seq - 1] = payload;
    this.lastSeq = Math.max(this.lastSeq, seq);
    this.events += 1;
    return true;
  }

  has(seq) {
    return seq <= this.#size && this.#places[seq - 1] !== 0;
  }

  isHash(seq, hash) {
    return this.has(seq) && this.#hash(seq).equals(Buffer.from(hash.slice(0, 2 * HASH_BYTES), 'hex'));
  }

  /** Its stream sequence, of the first copy; 0 if it is not there. */
  placeOf(seq) {
    return this.#places[seq - 1] ?? 0;
  }

  payloadOf(seq) {
    return this.#payloads[seq - 1] ?? 0;
  }

  /** Whether an event links to the one before. Both must be there. */
  linksBack(seq) {
    const link = this.#links.subarray((seq - 1) * HASH_BYTES, seq * HASH_BYTES);
    return link.equals(seq === 1 ? Buffer.alloc(HASH_BYTES) : this.#hash(seq - 1));
  }

  linksTo(seq, hash) {
    return this.#links
      .subarray((seq - 1) * HASH_BYTES, seq * HASH_BYTES)
      .equals(Buffer.from(hash.slice(0, 2 * HASH_BYTES), 'hex'));
  }

  #copy(seq, storedAtMs, duplicateWindowMs) {
    this.copies += 1;
    if (storedAtMs - this.#storedAtMs[seq - 1] < duplicateWindowMs) this.copiesInWindow += 1;
    this.#storedAtMs[seq - 1] = storedAtMs;
  }

  #conflict() {
    this.conflicts += 1;
    this.events += 1;
  }

  #hash(seq) {
    return this.#hashes.subarray((seq - 1) * HASH_BYTES, seq * HASH_BYTES);
  }

  #grow(seq) {
    const size = Math.max(START_SIZE, this.#size * 2, seq);
    this.#hashes = Buffer.concat([this.#hashes], size * HASH_BYTES);
    this.#links = Buffer.concat([this.#links], size * HASH_BYTES);
    const places = new Uint32Array(size);
    places.set(this.#places);
    this.#places = places;
    const payloads = new Uint32Array(size);
    payloads.set(this.#payloads);
    this.#payloads = payloads;
    const storedAtMs = new Float64Array(size);
    storedAtMs.set(this.#storedAtMs);
    this.#storedAtMs = storedAtMs;
    this.#size = size;
  }
}
