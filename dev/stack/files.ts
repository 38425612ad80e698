import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import type { z } from 'zod';
import { damaged, stateError } from './state-error.ts';

/**
 * Writes so that a reader, or a start after a kill, sees the old text or the new one whole. One
 * writer at a time: the draft has one name, so that kills leave one and not many.
 */
export async function writeFileSafely(file: string, text: string): Promise<void> {
  const draft = `${file}.draft`;
  await ofState(file, async () => {
    try {
      await writeFile(draft, text, { mode: 0o600 });
      await rename(draft, file);
    } catch (error) {
      await rm(draft, { force: true });
      throw error;
    }
  });
}

/** The text of a file, or undefined when there is no such file. Throws anything else. */
export async function readIfThere(file: string): Promise<string | undefined> {
  return await ofState(file, async () => {
    try {
      return await readFile(file, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  });
}

/** What a JSON file holds, or undefined when there is no such file. Throws when it is damaged. */
export async function readJsonIfThere<T>(file: string, shape: z.ZodType<T>) {
  const text = await readIfThere(file);
  if (text === undefined) return undefined;
  const { success, data } = shape.safeParse(jsonOf(text));
  if (!success) throw damaged(file, 'it does not contain valid JSON');
  return data;
}

/** The value, or undefined, which no JSON text stands for. */
export function jsonOf(text: string, revive?: (key: string, value: unknown) => unknown): unknown {
  try {
    return JSON.parse(text, revive) as unknown;
  } catch {
    return undefined;
  }
}

/** Makes a folder of the state, where it is missing. */
export async function makeFolder(path: string, mode: number): Promise<void> {
  await ofState(path, () => mkdir(path, { recursive: true, mode }));
}

async function ofState<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw stateError(path, error);
  }
}
