import { existsSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = path.resolve(import.meta.dirname, '..');
const FOLDERS = ['', 'docs', 'docs/adr', 'bench', 'test', ...within('packages'), ...within('examples')];
const PAGES = FOLDERS.flatMap(within).filter((file) => file.endsWith('.md'));

function within(folder: string): string[] {
  return readdirSync(path.join(ROOT, folder)).map((name) => path.posix.join(folder, name));
}
const read = (page: string): string => readFileSync(path.join(ROOT, page), 'utf8');
const withoutCode = (text: string): string => text.replaceAll(/^```[^]*?^```$/gm, '').replaceAll(/`[^`\n]*`/g, '');

/** As GitHub makes them of headings. */
function anchorsOf(page: string): Set<string> {
  const headings = read(page)
    .replaceAll(/^```[^]*?^```$/gm, '')
    .matchAll(/^#+ (.*)$/gm);
  return new Set(
    Array.from(headings, ([, title = '']) =>
      title
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}

/** Where a link leads to nothing. */
function brokenLinks(page: string): string[] {
  const targets = Array.from(withoutCode(read(page)).matchAll(/\]\(([^)\s]+)\)/g), ([, target = '']) => target);
  return targets.filter((target) => {
    if (/^[a-z]+:/.test(target)) return false;
    const [file = '', anchor] = target.split('#');
    const linked = file === '' ? page : path.join(path.dirname(page), file);
    if (!existsSync(path.join(ROOT, linked))) return true;
    return anchor !== undefined && !anchorsOf(linked).has(anchor);
  });
}

/** What its code imports of our packages, by name: those of types are for the compiler. */
function importsOf(page: string): { name: string; from: string }[] {
  const code = Array.from(read(page).matchAll(/^```(?:js|ts)\n([^]*?)^```$/gm), ([, text = '']) => text).join('\n');
  const lines = code.matchAll(/^import \{([^}]*)\} from '(@spanledger\/[^']+)'/gm);
  return Array.from(lines, ([, names = '', from = '']) =>
    names.split(',').map((name) => ({ name: name.trim().split(' as ')[0]!, from })),
  )
    .flat()
    .filter(({ name }) => name !== '');
}

async function load(specifier: string): Promise<object> {
  const [, name = '', subpath = ''] = specifier.split('/');
  const folder = path.join(ROOT, 'packages', name);
  const { exports } = JSON.parse(read(`packages/${name}/package.json`)) as { exports: Record<string, object> };
  const entry = exports[subpath === '' ? '.' : `./${subpath}`] as { '@spanledger/source': string };
  return (await import(path.join(folder, entry['@spanledger/source']))) as object;
}

describe.each(PAGES)('%s', (page) => {
  it('links to what is there', () => {
    expect(brokenLinks(page)).toEqual([]);
  });

  it('imports what our packages export', async () => {
    for (const { name, from } of importsOf(page)) expect(await load(from)).toHaveProperty(name);
  });
});
