import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inject } from 'vitest';

/** What the shared PostgreSQL server has logged so far. It writes a line before it answers. */
export async function readPostgresLog(): Promise<Buffer> {
  return await readFile(join(inject('testHome'), 'postgres.log'));
}
