import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';

/** Which part of the stream a command is about. */
export interface SelectionFlags {
  readonly execution?: string;
  readonly workflow?: string;
  readonly producer?: string;
  readonly since?: Date;
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

export function withSelection(command: Command): Command {
  return command
    .addOption(new Option('-e, --execution <id>', 'only this execution'))
    .addOption(new Option('-w, --workflow <id>', 'only this workflow'))
    .addOption(new Option('-p, --producer <name>', 'only this producer'));
}

export function sinceOption(): Option {
  return new Option('--since <time>', 'only what was stored since: 90s, 15m, 6h, 30d, or 2026-01-31T12:00Z').argParser(
    parseSince,
  );
}

/** Those that are set, as readers take them. */
export function toSelection({ execution, workflow, producer, since }: SelectionFlags): SelectionFlags {
  return {
    ...(execution !== undefined && { execution }),
    ...(workflow !== undefined && { workflow }),
    ...(producer !== undefined && { producer }),
    ...(since !== undefined && { since }),
  };
}

/** What was asked for by name: `execution e1`, `producer svc`. */
export function namesOf({ execution, workflow, producer }: SelectionFlags): string[] {
  const names = Object.entries({ execution, workflow, producer });
  return names.filter(([, name]) => name !== undefined).map(([kind, name]) => `${kind} ${name}`);
}

/** `15m`, `6h`, … in milliseconds. */
export function parseDuration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text);
  const unit = UNIT_MS[match?.[2] ?? ''];
  if (match === null || unit === undefined) throw new InvalidArgumentError('a number with ms, s, m, h or d is wanted.');
  return Number(match[1]) * unit;
}

export function parseSince(text: string): Date {
  if (/^\d+(\.\d+)?(ms|s|m|h|d)$/.test(text)) return new Date(Date.now() - parseDuration(text));
  const date = new Date(text);
  if (!/^\d{4}-/.test(text) || Number.isNaN(date.getTime()))
    throw new InvalidArgumentError('an age such as 15m, or a time such as 2026-01-31T12:00Z is wanted.');
  return date;
}

/** `10GiB`, `500MB`, or bytes. */
export function parseBytes(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B?$/i.exec(text);
  if (match === null) throw new InvalidArgumentError('a number of bytes is wanted, such as 10GiB.');
  const power = ' KMGT'.indexOf((match[2] || ' ').toUpperCase());
  return Math.round(Number(match[1]) * (match[3] === '' ? 1000 : 1024) ** power);
}

/** A whole number from `min` to `max`. */
export function integer(min: number, max = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= min && value <= max) return value;
    const upTo = max === Number.MAX_SAFE_INTEGER ? '' : ` to ${max}`;
    throw new InvalidArgumentError(`a whole number from ${min}${upTo} is wanted.`);
  };
}
