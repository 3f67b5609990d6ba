import Table from 'cli-table3';
import type { Colors } from './terminal.ts';

export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
}

const NO_BORDERS = Object.fromEntries(
  ['top', 'bottom', 'left', 'mid', 'right']
    .flatMap((side) => [side, `${side}-mid`, `${side}-left`, `${side}-right`, `mid-${side}`])
    .concat('middle', 'left-mid', 'right-mid', 'mid-mid')
    .map((name) => [name, '']),
);

/** Rows in columns, without lines around them, so that it can be cut and grepped. Every cell has passed `visible`. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[], { bold }: Colors): string {
  const hasTitles = columns.some(({ title }) => title !== '');
  const drawn = new Table({
    ...(hasTitles && { head: columns.map(({ title }) => bold(title)) }),
    colAligns: columns.map(({ align = 'left' }) => align),
    chars: { ...NO_BORDERS, middle: '  ' },
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0, compact: true },
  });
  drawn.push(...rows.map((row) => [...row]));
  return drawn
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}
