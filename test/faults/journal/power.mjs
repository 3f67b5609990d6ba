/*
 * A disk whose power can be cut: an ext4 file system in an image file, mounted through a loop device that goes past the page
 * cache. What the image holds at a moment is what the kernel has sent to the disk until then, and nothing of what it still
 * keeps in memory. Not shown by this: a disk that keeps writes in a cache of its own and answers too early.
 */
import { execFileSync } from 'node:child_process';
import { closeSync, copyFileSync, ftruncateSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { cannotRunHere, requireRoot } from '../lib/requirements.mjs';

const IMAGE_BYTES = 24 * 1024 * 1024;
const STILL_ATTEMPTS = 50;
/** `EXT4_IOC_SHUTDOWN`, `EXT4_GOING_FLAGS_NOLOGFLUSH`: the file system sends nothing to the disk any more, from now on. */
const SHUTDOWN = String.raw`open(my $d, '<', $ARGV[0]) or die; my $f = pack('L', 2); ioctl($d, 0x8004587D, $f) or die "$!"`;

export class PowerDisk {
  #image;
  #place;
  #device;

  /** @throws CannotRunHere without root, loop devices or ext4. */
  constructor(directory, name = 'disk') {
    requireRoot();
    requireTool('perl', '-e', '1');
    this.#image = path.join(directory, `${name}.img`);
    this.#place = path.join(directory, name);
    mkdirSync(this.#place, { recursive: true });
  }

  get place() {
    return this.#place;
  }

  /** Makes a new, empty file system. */
  format() {
    const fd = openSync(this.#image, 'w');
    ftruncateSync(fd, IMAGE_BYTES);
    closeSync(fd);
    requireTool('mkfs.ext4', '-q', '-F', '-E', 'lazy_itable_init=0,lazy_journal_init=0', this.#image);
    return this;
  }

  mount() {
    const attach = ['--direct-io=on', '--find', '--show', this.#image];
    this.#device = requireTool('losetup', ...attach)
      .toString()
      .trim();
    requireTool('mount', '-t', 'ext4', this.#device, this.#place);
    return this;
  }

  /** The file system goes no further from this moment on, in the middle of whatever it does. */
  cut() {
    run('perl', '-e', SHUTDOWN, this.#place);
  }

  /** The kernel writes out one page of a file, and no other: which it may, at any time and in any order. */
  writeOutPage(file, page) {
    run('dd', `if=${file}`, 'of=/dev/null', 'bs=4096', `skip=${page}`, 'count=1', 'iflag=nocache', 'status=none');
  }

  /** What is on the disk, as another disk that can be mounted. Nobody may be writing: two readings must be the same. */
  copyTo(other) {
    for (let attempt = 0; attempt < STILL_ATTEMPTS; attempt += 1) {
      copyFileSync(this.#image, other.#image);
      if (readFileSync(other.#image).equals(readFileSync(this.#image))) return;
    }
    throw new Error('the disk never stood still');
  }

  close() {
    if (this.#device === undefined) return;
    run('umount', this.#place);
    run('losetup', '--detach', this.#device);
    this.#device = undefined;
  }
}

function requireTool(command, ...args) {
  try {
    return run(command, ...args);
  } catch (error) {
    throw cannotRunHere(`${command} does not work here: ${error.stderr?.toString().trim() || error.message}`);
  }
}

function run(command, ...args) {
  return execFileSync(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
}
