import { readdir, readFile, writeFile } from 'node:fs/promises';
import type { WorkflowHandle } from '@temporalio/client';

type History = Awaited<ReturnType<WorkflowHandle['fetchHistory']>>;

const FOLDER = new URL('histories/', import.meta.url);

export async function frozenNames(): Promise<string[]> {
  const files = await readdir(FOLDER);
  return files.map((file) => file.replace(/\.json$/, '')).toSorted();
}

export async function readHistory(name: string): Promise<string> {
  return await readFile(new URL(`${name}.json`, FOLDER), 'utf8');
}

/** Writes the message's own fields, bytes as base64: that parses back into what the SDK replays.
 * Its historyToJSON fails where npm could not give it and its proto package one protobufjs. */
export async function freezeHistory(name: string, history: History): Promise<void> {
  const json = JSON.stringify(
    structuredClone(history),
    (key, value: unknown) => {
      // Of the machine that froze it; no replay reads them.
      if (key === 'identity' || key === 'stackTrace') return '';
      if (key === 'name' && typeof value === 'string' && /^\d+@/.test(value)) return 'sticky';
      return value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value;
    },
    2,
  );
  await writeFile(new URL(`${name}.json`, FOLDER), `${json}\n`);
}
