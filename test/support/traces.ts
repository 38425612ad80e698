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
  const tables = await sql<{ name: string }[]>`
    SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables
    WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`;
  const pieces: Buffer[] = [];
  for (const { name } of tables) {
    pieces.push(
      ...piecesOf(await sql.unsafe(`SELECT t.*, row_to_json(t)::text AS as_text FROM ${name} t`)),
    );
  }
  return pieces;
}
