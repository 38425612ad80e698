import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { z } from 'zod';
import { readJsonIfThere } from './files.ts';
import { holderOf } from './lock.ts';
import { tokenOf } from './person.ts';
import { printError, printLine, reasonOf } from './progress.ts';
import { DescribedStack, homeOf, Sandbox, STACK_FILE } from './home.ts';

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { role: { type: 'string' }, email: { type: 'string' } },
  });
  // In a stack of containers the environment names the sandbox; beside `npm start` the home does.
  const named = Sandbox.safeParse(process.env);
  const sandbox = named.success ? named.data : await runningHere();
  const address = {
    endpoint: sandbox.COGNITO_ENDPOINT,
    userPoolId: sandbox.COGNITO_USER_POOL_ID,
    clientId: sandbox.COGNITO_CLIENT_ID,
  };
  const email = values.email ?? `${values.role ?? 'admin'}@example.com`;
  printLine(await tokenOf(address, email, values.role));
}

async function runningHere(): Promise<z.infer<typeof Sandbox>> {
  const home = resolve(homeOf(process.env));
  const holder = await holderOf(home);
  const known = holder && (await readJsonIfThere(join(home, STACK_FILE), DescribedStack));
  if (known === undefined) throw new Error('nothing runs here: `npm start` first');
  const running = Sandbox.safeParse(known);
  if (!running.success) {
    throw new Error('the Cognito that runs here is yours: get a token from it');
  }
  return running.data;
}

try {
  await main();
} catch (error) {
  printError(`token: ${reasonOf(error)}`);
  process.exitCode = 1;
}
