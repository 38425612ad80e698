import type { Client } from '@temporalio/client';
import type postgres from 'postgres';
import { piecesOf } from './canary.ts';

/** What a deployment leaves behind, as bytes to search. */

/** Of every run on these task queues, each event with its payloads, and what the server says beside it.
 * @param atLeast so many runs are there: the list lags behind the server */
export async function historiesOf(
  temporal: Client,
  taskQueues: readonly string[],
  atLeast: number,
): Promise<Buffer[]> {
  const query = taskQueues.map((name) => `TaskQueue = '${name}'`).join(' OR ');
  for (;;) {
    const pieces: Buffer[] = [];
    let listed = 0;
    for await (const { workflowId, runId } of temporal.workflow.list({ query })) {
      const handle = temporal.workflow.getHandle(workflowId, runId);
      pieces.push(...piecesOf(await handle.fetchHistory()));
      pieces.push(...piecesOf((await handle.describe()).raw));
      listed += 1;
    }
    if (listed >= atLeast) return pieces;
  }
}

/** Every row of every table, as values and as text: pg_dump may be older than the server. */
export async function rowsOf(sql: postgres.Sql): Promise<Buffer[]> {
  return [...(await columnsOf(sql)).values()].flat();
}

/** The same by `table.column`; `table.row` has whole rows as text. */
export async function columnsOf(sql: postgres.Sql): Promise<Map<string, Buffer[]>> {
  const tables = await sql<{ name: string; place: string }[]>`
    SELECT tablename AS name, format('%I.%I', schemaname, tablename) AS place FROM pg_tables
    WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`;
  const columns = new Map<string, Buffer[]>();
  for (const { name, place } of tables) {
    const rows = await sql.unsafe(`SELECT t.*, row_to_json(t)::text AS row FROM ${place} t`);
    for (const row of rows) {
      for (const [column, value] of Object.entries(row)) {
        const key = `${name}.${column}`;
        columns.set(key, [...(columns.get(key) ?? []), ...piecesOf([column, value])]);
      }
    }
  }
  return columns;
}
