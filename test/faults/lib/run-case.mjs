import { createContext } from './context.mjs';
import { CannotRunHere } from './requirements.mjs';

const TIMEOUT_S = { quick: 600, full: 900 };
/** After the time limit, for a case that does not look at its signal. */
const GRACE_MS = 10_000;
const NOTHING = { faults: 0, offered: 0, accepted: 0, stored: 0, reported: 0, lost: 0, unreported: 0, duplicates: 0 };

/** Runs one case to its end, and judges it. Never rejects. */
export async function runCase(one, { quick, seed, progress, signal }) {
  const form = quick ? 'quick' : 'full';
  const startedMs = Date.now();
  const timeout = AbortSignal.timeout((one.timeoutS?.[form] ?? TIMEOUT_S[form]) * 1000);
  const line = progress(one);
  const { context, close } = createContext({
    quick,
    minimum: one.minimum[form],
    seed: seed * 1000 + one.number,
    progress: line.tell,
    signal: AbortSignal.any([signal, timeout]),
  });
  let outcome = { ...NOTHING };
  const problems = [];
  try {
    outcome = { ...outcome, ...(await inTime(one.run(context), context.signal)) };
    problems.push(...(outcome.problems ?? []), ...misses(one, form, outcome));
  } catch (error) {
    if (error instanceof CannotRunHere) outcome.skipped = error.message;
    else
      problems.push(
        `${timeout.aborted ? 'it took too long: ' : ''}${signal.aborted ? 'interrupted: ' : ''}${reasonOf(error)}`,
      );
  }
  await close().catch((error) => problems.push(reasonOf(error)));
  const result = {
    case: one.number,
    title: one.title,
    ...outcome,
    problems,
    ok: outcome.skipped === undefined && problems.length === 0,
    seconds: Math.round((Date.now() - startedMs) / 100) / 10,
  };
  line.end(result);
  return result;
}

/** What the figures themselves say against it. */
function misses({ minimum, mayReportLosses = false }, form, figures) {
  const { faults, offered, lost, unreported, duplicates } = figures;
  const { [form]: least } = minimum;
  return [
    offered < least.offered && `only ${offered} events were offered, of at least ${least.offered}`,
    faults < least.faults && `only ${faults} faults landed, of at least ${least.faults}`,
    unreported !== 0 && `${unreported} accepted events are neither stored nor reported lost`,
    lost !== 0 && !mayReportLosses && `${lost} accepted events are lost`,
    duplicates !== 0 && `a reader sees ${duplicates} events twice`,
  ].filter(Boolean);
}

/** A case that waits for something else than its signal must not keep the suite waiting. */
async function inTime(running, signal) {
  let timer;
  const late = new Promise((_, reject) => {
    signal.addEventListener('abort', () => {
      timer = setTimeout(() => reject(signal.reason), GRACE_MS);
    });
  });
  try {
    return await Promise.race([running, late]);
  } finally {
    clearTimeout(timer);
  }
}

function reasonOf(error) {
  const { message = String(error), stack = '' } = error ?? {};
  const place = stack.split('\n').find((text) => text.includes('test/faults/'));
  const within = error instanceof AggregateError ? `: ${error.errors.map(reasonOf).join('; ')}` : '';
  return `${message}${within}${place ? ` (${place.trim()})` : ''}`;
}
