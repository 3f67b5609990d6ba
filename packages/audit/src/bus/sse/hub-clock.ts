/** When the hub does what it does not do at once. Given, so that tests can choose every order of things. */
export interface HubClock {
  /** In a later turn of the event loop. */
  soon(action: () => void): void;
  /** @returns what takes it back. */
  later(ms: number, action: () => void): () => void;
  /** Again and again. @returns what ends it. */
  every(ms: number, action: () => void): () => void;
}

/** No timer keeps the process alive: its open responses do, as long as they are open. */
export const realClock: HubClock = {
  soon: (action) => void setImmediate(action),
  later(ms, action) {
    const timer = setTimeout(action, ms).unref();
    return () => clearTimeout(timer);
  },
  every(ms, action) {
    const timer = setInterval(action, ms).unref();
    return () => clearInterval(timer);
  },
};
