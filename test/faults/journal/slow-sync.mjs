/*
 * Loaded before a program (`--import`), it makes the disk slow: each `fdatasync` begins only after up to
 * SPANLEDGER_SYNC_DELAY_MS. A journal that answers before its sync is then seen to.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

/** The first ones bring the name of the file to the disk: without it there is nothing to look at. */
const FREE = 5;
const delayMs = Number(process.env['SPANLEDGER_SYNC_DELAY_MS']);
const { fdatasync } = fs;
let syncs = 0;
fs.fdatasync = (fd, callback) =>
  setTimeout(() => fdatasync(fd, callback), (syncs += 1) > FREE ? Math.random() * delayMs : 0);
syncBuiltinESMExports();
