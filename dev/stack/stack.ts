import { rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { VARIABLES } from '../../src/config/environment-table.ts';
import type { Rule } from '../cognito/fault-plan.ts';
import { makeFolder, writeFileSafely } from './files.ts';
import { checkHome, EmbeddedStack, Sandbox, STACK_FILE } from './home.ts';
import { takeLock } from './lock.ts';
import { cognitoPart, type Part, postgresPart, temporalPart } from './parts.ts';
import { profileServicePart } from './profile-service.ts';
import { anyPort, rememberedPorts } from './ports.ts';
import type { RunningPart } from './postgres.ts';
import type { Progress } from './progress.ts';
import { isFull, untilFull } from './room.ts';
import { noRoom } from './state-error.ts';

export interface StackOptions {
  /** Folder of the embedded state; made when missing. */
  readonly home: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: Progress;
  /** For tests: any free ports, no UI, nothing that lasts. */
  readonly ephemeral?: boolean;
  readonly faults?: readonly Rule[];
  /** Also starts examples/profile-service. */
  readonly withProfileService?: boolean;
}

export interface Stack {
  /** The environment that was given, and what names the parts that were started. */
  readonly env: Record<string, string>;
  readonly parts: readonly Part[];
  /** Why the stack cannot go on, once it cannot: a part has ended by itself, or the disk is full. */
  readonly failed: Promise<Error>;
  stop(): Promise<void>;
  /** Kills every child at once. */
  kill(): void;
}

/**
 * Starts Temporal, PostgreSQL and the Cognito sandbox at the same time, each only where `env` names none.
 * Throws one line, after stopping what it had started.
 */
export async function startStack(options: StackOptions): Promise<Stack> {
  const home = resolve(options.home);
  const ephemeral = options.ephemeral ?? false;
  await makeFolder(home, 0o755);
  if (await isFull(home)) throw noRoom(home);
  await checkHome(home);
  const lock = await takeLock(home);
  const running: RunningPart[] = [];
  const stopping = new AbortController();
  const stop = async (): Promise<void> => {
    stopping.abort();
    const ends = [
      () => rm(join(home, STACK_FILE), { force: true }),
      ...running
        .splice(0)
        .toReversed()
        .map((part) => () => part.stop()),
      () => lock.release(),
    ];
    const ended = [];
    // In order, and to the end: one that does not stop must not keep the others.
    for (const end of ends) ended.push(...(await Promise.allSettled([end()])));
    for (const end of ended) if (end.status === 'rejected') throw end.reason;
  };
  try {
    const portOf = ephemeral ? anyPort : await rememberedPorts(home);
    const before = given(options.env);
    const starts = [temporalPart, postgresPart, cognitoPart].map(async (start) => {
      const part = await start({ ...options, home, ephemeral, portOf, env: before });
      if (part.running) running.push(part.running);
      return part;
    });
    // All of them, also when one fails: what a later one starts has to be stopped too.
    await Promise.allSettled(starts);
    const parts = await Promise.all(starts);
    let env = environmentOf(before, parts);
    if (options.withProfileService) {
      // Its database is the embedded PostgreSQL's.
      const part = await profileServicePart({ ...options, home, ephemeral, portOf, env });
      if (part.running) running.push(part.running);
      parts.push(part);
      env = part.env;
    }
    if (!ephemeral) await writeFileSafely(join(home, STACK_FILE), describe(parts, env));
    const failed = Promise.race([
      ...running.flatMap((part) => part.failed ?? []),
      untilFull(home, stopping.signal).then(
        () => noRoom(home),
        (error: Error) => error,
      ),
    ]);
    return { env, parts, failed, stop, kill: () => running.forEach((part) => part.kill()) };
  } catch (error) {
    // What went wrong first is what a person has to know.
    await stop().catch(() => undefined);
    throw error;
  }
}

function given(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const entries = Object.entries(env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== '',
  );
  return Object.fromEntries(entries);
}

/** Each part changes settings of its own: those that it removed are gone, those that it set hold. */
function environmentOf(
  before: Readonly<Record<string, string>>,
  parts: readonly Part[],
): Record<string, string> {
  const kept = Object.entries(before).filter(([name]) => parts.every(({ env }) => name in env));
  const set = parts.flatMap(({ env }) =>
    Object.entries(env).filter(([name, value]) => before[name] !== value),
  );
  return Object.fromEntries([...kept, ...set]);
}

/** What names the parts, and the settings that were given; of a stack that is partly yours, less. */
function describe(parts: readonly Part[], env: Record<string, string>): string {
  const yours = parts.filter(({ kind }) => kind === 'yours').map(({ name }) => name);
  if (yours.length === 0) {
    const all = VARIABLES.map(({ name }) => [name, env[name]] as const);
    const settings = Object.fromEntries(all.filter(([, value]) => value !== undefined));
    const described = { ...settings, ...EmbeddedStack.parse(env) };
    return JSON.stringify(described, null, 2);
  }
  // A token of another pool is not ours to make.
  return JSON.stringify(yours.includes('cognito') ? {} : Sandbox.parse(env), null, 2);
}
