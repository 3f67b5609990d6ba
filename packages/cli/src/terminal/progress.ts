import cliProgress from 'cli-progress';
import type { Terminal } from './terminal.ts';
import { visible } from './visible.ts';

const DRAWN_PER_SECOND = 8;
const DELAY_MS = 500;
const LABEL_MAX = 60;

/** How far a long work is. */
export interface Progress {
  update(done: number): void;
  stop(): void;
}

const NONE: Progress = { update: () => {}, stop: () => {} };

/**
 * A bar on stderr, where that is a terminal; nothing at all elsewhere, and nothing for work that is done in half a second.
 *
 * @param total 0 if it is not known: then it only counts.
 */
export function startProgress(terminal: Terminal, what: string, total: number): Progress {
  if (!terminal.canDraw) return NONE;
  // It may be a file's name, and braces mean something to the bar.
  const label = visible(what, LABEL_MAX).replaceAll(/[{}]/g, '_');
  const bar = new cliProgress.SingleBar({
    stream: terminal.io.stderr,
    format: total > 0 ? `${label} {bar} {percentage}%  {eta_formatted} left` : `${label} {value}`,
    fps: DRAWN_PER_SECOND,
    clearOnComplete: true,
    hideCursor: false,
    // Its own handlers of signals would end the process in the middle of ours.
    gracefulExit: false,
  });
  const startedAt = Date.now();
  let isDrawn = false;
  return {
    update(done) {
      if (isDrawn) bar.update(Math.min(done, total || done));
      else if (Date.now() - startedAt > DELAY_MS) {
        bar.start(total, done);
        isDrawn = true;
      }
    },
    stop: () => bar.stop(),
  };
}
