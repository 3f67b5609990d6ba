import { createContext } from './context.mjs';

/**
 * Runs one fault after the other, each in a world of its own (folder, servers, processes, ledger), so that what one has missed is
 * not made good by the next.
 *
 * @template T
 * @param {object} context of the case
 * @param {readonly T[]} rounds
 * @param {(context: object, round: T, index: number) => Promise<object>} runOne its figures, as a case returns them
 * @returns the sums; each problem with the round that it comes from
 */
export async function runRounds(context, rounds, runOne) {
  const total = { faults: 0, problems: [], notes: {} };
  for (const [index, round] of rounds.entries()) {
    const world = createContext({ ...context, seed: context.seed + index, signal: context.signal });
    const closing = once(world.close);
    context.own(closing);
    const { problems, notes, ...figures } = await runOne({ ...world.context, random: context.random }, round, index);
    await closing();
    add(total, figures);
    add(total.notes, notes);
    total.problems.push(...problems.map((problem) => `round ${index + 1} ${JSON.stringify(round)}: ${problem}`));
    context.progress(`round ${index + 1} of ${rounds.length}`);
  }
  return total;
}

/** Numbers are added up. */
function add(total, figures) {
  for (const [name, value] of Object.entries(figures)) total[name] = (total[name] ?? 0) + value;
}

function once(run) {
  let running;
  return () => (running ??= run());
}
