import postgres from 'postgres';

/** What a PostgreSQL server has written since it was made. */
export interface Writes {
  /** Transactions that changed something; one that only reads gets no number. */
  readonly commits: number;
  readonly walRecords: number;
  readonly walBytes: number;
}

export interface WriteCounter {
  read(): Promise<Writes>;
  close(): Promise<void>;
}

/** Counts the writes of a whole server: each database that is measured has a server of its own. */
export function countWrites(url: string): WriteCounter {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  return {
    async read() {
      const [row] = await sql<Writes[]>`
        SELECT pg_snapshot_xmax(pg_current_snapshot())::text::float8 AS commits,
          wal_records::float8 AS "walRecords", wal_bytes::float8 AS "walBytes" FROM pg_stat_wal`;
      if (!row) throw new Error('pg_stat_wal has no row');
      return row;
    },
    close: () => sql.end({ timeout: 1 }),
  };
}

export function writesSince(before: Writes, after: Writes): Writes {
  return {
    commits: after.commits - before.commits,
    walRecords: after.walRecords - before.walRecords,
    walBytes: after.walBytes - before.walBytes,
  };
}
