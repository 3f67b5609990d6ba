/** What the exit code of a command says. Stable: scripts depend on it. */
export const EXIT = {
  /** Done, and nothing found. */
  clean: 0,
  /** Done, and something found: findings, a stream that is not as it should be, nothing under the name asked for. */
  findings: 1,
  /** The command line, or a file it names, cannot be used. Nothing was done. */
  usage: 2,
  /** The server, or the stream, cannot be reached or not be read to the end. There is no verdict. */
  unreachable: 3,
  /** A fault of this program. */
  fault: 70,
  /** Ctrl-C before the end. There is no verdict. */
  interrupted: 130,
} as const;
