/** What a producer was answered, from what it said. */
export function accountOf(lines) {
  const account = {
    accepted: new Map(),
    refused: [],
    acknowledged: new Set(),
    durable: 0,
    folder: undefined,
    refusedSaid: 0,
  };
  for (const line of lines) {
    const [kind, first, second] = line.split(' ');
    if (kind === '+') account.accepted.set(Number(first), second);
    else if (kind === '-') account.refused.push(second);
    else if (kind === 'k') account.acknowledged.add(Number(first));
    else if (kind === 'd') account.durable = Math.max(account.durable, Number(first));
    else if (kind === 'folder') account.folder = first;
    else if (kind === 'r') account.refusedSaid = Number(first);
  }
  return account;
}

/** What an adopter found, by folder, from what it said. */
export function findingsOf(lines) {
  const findings = new Map();
  let current;
  for (const line of lines) {
    const [kind, ...rest] = line.split(' ');
    if (kind === 'adopted') {
      current = { events: [], lost: [], damages: [], acknowledged: new Set(), wasReported: rest[3] === 'reported' };
      findings.set(rest[0], current);
    } else if (kind === 'e') {
      current.events.push({ position: Number(rest[0]), hash: rest[1], acknowledged: rest[2] === '1' });
    } else if (kind === 'lost') current.lost.push({ from: Number(rest[0]), to: Number(rest[1]) });
    else if (kind === 'damage')
      current.damages.push({ kind: rest[0], offset: Number(rest[1]), bytes: Number(rest[2]) });
    else if (kind === 'k') current.acknowledged.add(Number(rest[0]));
    else if (kind === 'reported') current.isReported = true;
    else if (kind === 'gone') current.isGone = true;
  }
  return findings;
}

/**
 * Sets what was accepted against what was found.
 *
 * @returns positions by what is wrong with them: `lost` (not found and not excused), `unreported` (lost, and the finder does not say so),
 * `duplicates` (found twice), `changed` (other bytes), `foreign` (never accepted; one may be in flight when a process dies).
 */
export function compare(accepted, found, isExcused = () => false) {
  const events = found?.events ?? [];
  const seen = new Map();
  const duplicates = [];
  for (const { position, hash } of events) {
    if (seen.has(position)) duplicates.push(position);
    seen.set(position, hash);
  }
  const lost = [...accepted.keys()].filter((position) => !seen.has(position) && !isExcused(position));
  const isSaid = (position) => (found?.lost ?? []).some(({ from, to }) => position >= from && position <= to);
  return {
    lost,
    unreported: lost.filter((position) => !isSaid(position)),
    duplicates,
    changed: [...accepted].filter(([position, hash]) => seen.has(position) && seen.get(position) !== hash),
    foreign: [...seen.keys()].filter((position) => !accepted.has(position)),
  };
}
