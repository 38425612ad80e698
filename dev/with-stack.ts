import { join, resolve } from 'node:path';
import { printError } from './stack/progress.ts';

type Environment = Record<string, string | undefined>;

// One of them set means a deployment of the caller's: nothing of ours is mixed into it.
const NAMED = [
  'DATABASE_URL',
  'TEMPORAL_ADDRESS',
  'TEMPORAL_PROFILE',
  'TEMPORAL_CONFIG_FILE',
  'COGNITO_USER_POOL_ID',
  'COGNITO_ENDPOINT',
];

/** Names what `npm start` runs here, for a command whose environment names nothing. */
export async function nameStack(env: Environment): Promise<void> {
  if (NAMED.some((name) => env[name])) return;
  // Not loaded where they are not needed: they take as long as a quick command's query.
  const { readIfThere, readJsonIfThere } = await import('./stack/files.ts');
  const { DescribedStack, EmbeddedStack, homeOf, SEALING_KEY_FILE, STACK_FILE } =
    await import('./stack/home.ts');
  const { holderOf } = await import('./stack/lock.ts');
  const home = resolve(homeOf(env));
  if ((await holderOf(home)) === undefined) return;
  const described = (await readJsonIfThere(join(home, STACK_FILE), DescribedStack)) ?? {};
  const { data: parts } = EmbeddedStack.safeParse(described);
  // With a part of the caller's in it, the caller names them all.
  if (parts === undefined) return;
  for (const name of Object.keys(env)) {
    if (/^(AWS_|TEMPORAL_TLS|TEMPORAL_API_KEY)/.test(name)) delete env[name];
  }
  // Made in the home, where nobody gave one.
  const sealingKey = (await readIfThere(join(home, SEALING_KEY_FILE)))?.trim() ?? '';
  const settings = { PASSWORD_SEALING_KEYS: sealingKey, ...described };
  for (const [name, value] of Object.entries(settings)) env[name] ||= value;
  Object.assign(env, parts);
  printError(`using the services that \`npm start\` runs in ${home}`);
}
