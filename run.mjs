/// <reference types="node" />
// Plain JavaScript that any Node reads: a Node too old for the rest learns it in one line.
import { existsSync } from 'node:fs';
import module from 'node:module';
import { resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
const stripsTypes = (major === 22 && minor >= 18) || (major === 23 && minor >= 6) || major >= 24;
const words = process.argv.slice(2);
const withStack = words[0] === '--with-stack';
if (withStack) words.shift();
const [entry, ...args] = words;

if (!stripsTypes) {
  process.stderr.write(
    `Registrar needs Node 22.18 or 24 and this is ${process.version}: \`npm run\` brings a pinned Node 24 as an optional development dependency, which could not be had on this machine\n`,
  );
  process.exitCode = 1;
} else if (entry === undefined) {
  process.stderr.write('usage: node run.mjs <file.ts> [arguments]\n');
  process.exitCode = 1;
} else {
  // Loading takes half the time when the packages' code is compiled; a read-only image does without.
  module.enableCompileCache(
    fileURLToPath(new URL('node_modules/.cache/registrar/compiled', import.meta.url)),
  );
  if (existsSync('.env')) process.loadEnvFile('.env');
  const emitWarning = process.emitWarning.bind(process);
  process.emitWarning = (warning, ...rest) => {
    if (!/type stripping/i.test(String(warning))) emitWarning(warning, ...rest);
  };
  const file = resolve(entry);
  process.argv = [process.argv[0], file, ...args];
  (await import('./src/db/driver-guard.ts')).guardDriver();
  (await import('./src/db/drizzle-imports.ts')).speedUpDrizzle();
  // An image has neither the stack of `npm start` nor the file that knows of it.
  if (withStack && existsSync(new URL('dev/with-stack.ts', import.meta.url))) {
    await (await import('./dev/with-stack.ts')).nameStack(process.env);
  }
  await import(pathToFileURL(file).href);
}
