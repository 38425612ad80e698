import { join, resolve } from 'node:path';
import type { z } from 'zod';
import { readJsonIfThere } from './files.ts';
import { DescribedStack, homeOf, Sandbox, STACK_FILE } from './home.ts';
import { holderOf } from './lock.ts';

/**
 * The sandbox that the environment names, as in a stack of containers, or else the one that
 * `npm start` runs in this home. Throws one line where there is none.
 */
export async function runningSandbox(
  env: Readonly<Record<string, string | undefined>>,
): Promise<z.infer<typeof Sandbox>> {
  const named = Sandbox.safeParse(env);
  if (named.success) return named.data;
  const home = resolve(homeOf(env));
  const holder = await holderOf(home);
  const known = holder && (await readJsonIfThere(join(home, STACK_FILE), DescribedStack));
  if (known === undefined) throw new Error('nothing is running: run `npm start` first');
  const running = Sandbox.safeParse(known);
  if (!running.success) throw new Error('Cognito is your own pool, not the sandbox');
  return running.data;
}
