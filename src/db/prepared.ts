import { getTableColumns, type InferSelectModel, type Table } from 'drizzle-orm';
import type { Database } from './client.ts';

type Parameter = string | number | boolean | Uint8Array | null;

/**
 * Runs a statement that PostgreSQL parses once per connection; `text` has to be a constant. drizzle
 * prepares only what its own builder makes with `.prepare(name)`, and that builder cannot write the
 * data-modifying WITH statements of the hot path.
 */
export async function runPrepared(
  { $client }: Database,
  text: string,
  parameters: readonly Parameter[],
): Promise<Record<string, unknown>[]> {
  // Off behind a pooler in transaction mode.
  const { prepare } = $client.options;
  return await $client.unsafe(text, [...parameters], { prepare });
}

/** A row of a table, as drizzle's own queries return it, from a raw one with its column names. */
export function rowMapper<T extends Table>(
  table: T,
): (raw: Readonly<Record<string, unknown>>) => InferSelectModel<T> {
  const columns = Object.entries(getTableColumns(table));
  return (raw) =>
    Object.fromEntries(
      columns.map(([key, column]) => {
        const value = raw[column.name];
        if (value === undefined) throw new Error(`the statement returns no ${column.name}`);
        return [key, value === null ? null : column.mapFromDriverValue(value)];
      }),
    ) as InferSelectModel<T>;
}
