#!/usr/bin/env node
// Not compiled, so that it is there when an installer links it, which in this repository is before anything is built.
import { main } from '../dist/index.js';

process.exitCode = await main(process.argv.slice(2), process);
