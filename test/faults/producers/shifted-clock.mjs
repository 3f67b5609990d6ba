// Loaded before a producer (`--import`): a wall clock that jumps with every SIGUSR2, as one that is set by hand does. The
// monotonic clock does not, and neither does it on a real machine.
const HOUR_MS = 3_600_000;
/** A day ahead, back, a day behind, back; and the hour of summer time. */
const SHIFTS_MS = [24 * HOUR_MS, 0, -24 * HOUR_MS, 0, HOUR_MS, 0];

const RealDate = Date;
let jumps = 0;
let shiftMs = Number(process.env.CLOCK_SHIFT_MS ?? 0);
process.on('SIGUSR2', () => {
  shiftMs = SHIFTS_MS[jumps % SHIFTS_MS.length];
  jumps += 1;
});

globalThis.Date = class extends RealDate {
  constructor(...args) {
    if (args.length === 0) super(RealDate.now() + shiftMs);
    else super(...args);
  }

  static now() {
    return RealDate.now() + shiftMs;
  }
};
