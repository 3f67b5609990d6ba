// Keeps the packages apart: which may import which, and what a package shows of itself.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';
import { ROOT } from './lib/steps.mjs';

const MAY_IMPORT = {
  protocol: [],
  otel: ['protocol'],
  audit: ['protocol', 'otel'],
  jetstream: ['protocol'],
  ledger: ['protocol'],
  express: ['otel', 'audit'],
  fastify: ['otel', 'audit'],
  node: ['protocol', 'otel', 'audit', 'jetstream'],
  cli: ['protocol', 'ledger', 'jetstream', 'audit'],
  testkit: ['protocol'],
};
const BROWSER_SAFE = ['protocol', 'ledger'];
const INDEX_MAX_LINES = 60;

const problems = readdirSync(path.join(ROOT, 'packages')).flatMap(checkPackage);
if (problems.length > 0) console.error(problems.join('\n'));
process.exitCode = problems.length > 0 ? 1 : 0;

function checkPackage(name) {
  const src = path.join(ROOT, 'packages', name, 'src');
  if (!MAY_IMPORT[name]) return [`packages/${name}: not in the table of scripts/check-boundaries.mjs`];
  const files = readdirSync(src, { recursive: true }).filter((file) => /\.m?ts$/.test(file));
  return files.flatMap((file) => checkFile(name, src, path.join(src, file)));
}

function checkFile(name, src, file) {
  const text = readFileSync(file, 'utf8');
  const found = [];
  for (const { fileName: target } of ts.preProcessFile(text).importedFiles) {
    const ours = /^@spanledger\/([^/]+)/.exec(target)?.[1];
    if (ours && !MAY_IMPORT[name].includes(ours)) found.push(`imports ${target}`);
    if (target.startsWith('.') && !path.resolve(path.dirname(file), target).startsWith(src + path.sep))
      found.push(`imports ${target}, outside its package`);
    if (target.startsWith('node:') && BROWSER_SAFE.includes(name))
      found.push(`imports ${target}, but must run in a browser`);
  }
  if (/^export \*/m.test(text)) found.push('has an export *');
  if (/^export default|^export \{[^}]*\bas default\b/m.test(text)) found.push('has a default export');
  if (file === path.join(src, 'index.ts') && text.trimEnd().split('\n').length > INDEX_MAX_LINES)
    found.push(`has more than ${INDEX_MAX_LINES} lines`);
  return found.map((problem) => `${path.relative(ROOT, file)}: ${problem}`);
}
