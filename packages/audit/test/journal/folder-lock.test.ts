import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { lockNewFolder } from '../../src/journal/folder-lock.ts';
import { newDirectory } from './journal-support.ts';

it('tells a new folder that a finder took, or removed, from one that cannot be locked', async () => {
  const directory = await newDirectory();
  const folder = path.join(directory, 'new');
  expect(lockNewFolder(folder)).toBeUndefined();
  mkdirSync(folder);
  const lock = lockNewFolder(folder);
  onTestFinished(() => lock?.release());
  expect(lock).toBeDefined();
  expect(lockNewFolder(folder)).toBeUndefined();
  const file = path.join(directory, 'file');
  writeFileSync(file, '');
  expect(() => lockNewFolder(file)).toThrow('ENOTDIR');
});
