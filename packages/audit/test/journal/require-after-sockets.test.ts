import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { openJournal } from '../../src/journal/open-journal.ts';

// Node 20 forgets symbolic links in `require` after `rm` or `rmSync` of a socket: every package of pnpm's would be there twice.
it('does not change what require() finds, when a journal is opened and when it is removed', async () => {
  const root = realpathSync(mkdtempSync(path.join(tmpdir(), 'spanledger-require-')));
  onTestFinished(() => rmSync(root, { recursive: true }));
  const { resolve } = createRequire(path.join(root, 'app.cjs'));
  const modules = path.join(root, 'node_modules');
  mkdirSync(modules);
  for (const name of ['first', 'opened', 'closed']) {
    const store = path.join(root, 'store', name);
    mkdirSync(store, { recursive: true });
    writeFileSync(path.join(store, 'index.js'), '');
    symlinkSync(store, path.join(modules, name));
  }
  const placeOf = (name: string): string => path.join(root, 'store', name, 'index.js');
  expect(resolve('first')).toBe(placeOf('first')); // From here on it knows the folders.

  const journal = openJournal({ directory: path.join(root, 'journal'), producer: 'p' });
  expect(resolve('opened')).toBe(placeOf('opened'));
  await journal.close();
  expect(resolve('closed')).toBe(placeOf('closed'));
});
