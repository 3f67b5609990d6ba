/**
 * Between two steps of work that nobody waits for. File system calls and connections keep a process alive, and one after the other
 * would do so to the last: here a process that has nothing else to do comes to its end.
 */
export function backgroundPause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1).unref());
}
