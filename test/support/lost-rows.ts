import { getTableColumns, sql } from 'drizzle-orm';
import type { Database } from '../../src/db/client.ts';
import { registrations } from '../../src/db/schema.ts';

const WRITTEN = Object.values(getTableColumns(registrations))
  .filter(({ generated }) => !generated)
  .map(({ name }) => name);

/** Copies a parked row: rows like those of a Temporal that has lost its histories. */
export async function insertLostRows(db: Database, templateId: string, rows: number) {
  await db.execute(sql`
    WITH lost AS MATERIALIZED (
      SELECT gen_random_uuid() AS id FROM generate_series(1, ${rows}::int)
    )
    INSERT INTO registrations (${sql.raw(WRITTEN.join(', '))})
    SELECT ${sql.raw(WRITTEN.map((name) => `copy.${name}`).join(', '))} FROM registrations AS template CROSS JOIN lost
    CROSS JOIN LATERAL jsonb_populate_record(template, jsonb_build_object(
      'id', lost.id, 'email', 'lost-' || lost.id || '@example.com', 'run_id', 'lost',
      'cognito_username', lost.id, 'user_id', lost.id, 'swept_at', now() - interval '1 hour')) AS copy
    WHERE template.id = ${templateId}`);
}
