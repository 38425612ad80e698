/// <reference types="node" />
// Plain JavaScript that any Node reads: a Node too old for the rest learns it in one line.
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
const stripsTypes = (major === 22 && minor >= 18) || (major === 23 && minor >= 6) || major >= 24;
const [entry, ...args] = process.argv.slice(2);

if (!stripsTypes) {
  process.stderr.write(
    `Registrar needs Node 22.18 or 24 and this is ${process.version}: \`npm run\` brings a pinned Node 24 as an optional development dependency, which could not be had on this machine\n`,
  );
  process.exitCode = 1;
} else if (entry === undefined) {
  process.stderr.write('usage: node run.mjs <file.ts> [arguments]\n');
  process.exitCode = 1;
} else {
  if (existsSync('.env')) process.loadEnvFile('.env');
  const emitWarning = process.emitWarning.bind(process);
  process.emitWarning = (warning, ...rest) => {
    if (!/type stripping/i.test(String(warning))) emitWarning(warning, ...rest);
  };
  const file = resolve(entry);
  process.argv = [process.argv[0], file, ...args];
  (await import('./src/db/driver-guard.ts')).guardDriver();
  await import(pathToFileURL(file).href);
}
