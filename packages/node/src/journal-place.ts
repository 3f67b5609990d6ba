import { statfsSync } from 'node:fs';
import path from 'node:path';

/** What a file system does to a journal. */
export type PlaceProblem =
  | { readonly kind: 'shared'; readonly name: string }
  | { readonly kind: 'short_lived'; readonly name: string; readonly end: string };

/** File systems of Linux by the number that statfs(2) has for them. */
const PROBLEMS = new Map<number, PlaceProblem>([
  [0x79_4c_76_30, { kind: 'short_lived', name: 'overlayfs', end: 'with this container' }],
  [0x01_02_19_94, { kind: 'short_lived', name: 'tmpfs', end: 'when this machine or container stops' }],
  [0x85_84_58_f6, { kind: 'short_lived', name: 'ramfs', end: 'when this machine or container stops' }],
  [0x69_69, { kind: 'shared', name: 'NFS' }],
  [0x51_7b, { kind: 'shared', name: 'SMB' }],
  [0xff_53_4d_42, { kind: 'shared', name: 'SMB' }],
  [0xfe_53_4d_42, { kind: 'shared', name: 'SMB' }],
  [0x00_c3_64_00, { kind: 'shared', name: 'Ceph' }],
  [0x0b_d0_0b_d0, { kind: 'shared', name: 'Lustre' }],
  [0x47_50_46_53, { kind: 'shared', name: 'GPFS' }],
  [0x74_61_63_6f, { kind: 'shared', name: 'OCFS2' }],
  [0x01_16_19_70, { kind: 'shared', name: 'GFS2' }],
]);

/** @returns what speaks against a journal in this directory, which need not be there yet; `undefined` if nothing is known. */
export function placeProblem(directory: string): PlaceProblem | undefined {
  // Other systems have other numbers.
  if (process.platform !== 'linux') return undefined;
  try {
    return fileSystemProblem(statfsSync(directory).type);
  } catch {
    const parent = path.dirname(directory);
    return parent === directory ? undefined : placeProblem(parent);
  }
}

/** @param type as statfs(2) has it, signed or not. */
export function fileSystemProblem(type: number): PlaceProblem | undefined {
  return PROBLEMS.get(type >>> 0);
}
