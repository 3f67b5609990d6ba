import { existsSync, statfsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fileSystemProblem, placeProblem } from '../src/journal-place.ts';

const TMPFS = '/dev/shm';
const hasTmpfs = process.platform === 'linux' && existsSync(TMPFS) && statfsSync(TMPFS).type === 0x01_02_19_94;

describe('the file system of a journal', () => {
  it.each([
    [0x69_69, 'NFS'],
    [0xff_53_4d_42, 'SMB'],
    [0xff_53_4d_42 | 0, 'SMB'], // As a signed number.
    [0x00_c3_64_00, 'Ceph'],
  ])('is refused where several machines can have it: 0x%s, %s', (type, name) => {
    expect(fileSystemProblem(type)).toEqual({ kind: 'shared', name });
  });

  it('is that of a common disk', () => {
    expect(fileSystemProblem(0xef_53)).toBeUndefined(); // ext4
  });

  it.runIf(hasTmpfs)('is found before the directory is made', () => {
    const expected = { kind: 'short_lived', name: 'tmpfs' };
    expect(placeProblem(`${TMPFS}/not/there/yet`)).toMatchObject(expected);
  });
});
