// What every measure is made of: it runs in a process of its own, takes its input as JSON in argv and prints one
// JSON object.

export const input = JSON.parse(process.argv[2] ?? '{}');

export function report(result) {
  process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
}

/** Runs `task` and tells its wall time in seconds and its process CPU (user and system) in seconds. */
export async function timed(task) {
  const cpu = process.cpuUsage();
  const started = process.hrtime.bigint();
  await task();
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  const { user, system } = process.cpuUsage(cpu);
  return { seconds, cpuSeconds: (user + system) / 1e6 };
}

/**
 * The fastest of several runs, each after a warm-up: how many a second, and what each cost. A peer runs once at each of its windows,
 * and what has only one as often: in the first runs code is still being compiled.
 *
 * @param prepare makes what `run` is given, out of the count; its time is not counted.
 */
export async function fastest({ count, warmup, windows }, prepare, run) {
  let best;
  for (const windowMax of windows) {
    await run(prepare(warmup), windowMax);
    const prepared = prepare(count);
    const { seconds, cpuSeconds } = await timed(() => run(prepared, windowMax));
    const perSecond = count / seconds;
    if (!(best?.perSecond > perSecond)) best = { perSecond, cpuUs: (cpuSeconds / count) * 1e6, windowMax };
  }
  return best;
}

/** Keeps `windowMax` promises of `start(i)` in flight until `count` have settled. */
export async function pipelined(count, windowMax, start) {
  let next = 0;
  const worker = async () => {
    while (next < count) await start(next++);
  };
  await Promise.all(Array.from({ length: windowMax }, worker));
}
