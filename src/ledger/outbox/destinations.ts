import { sql } from 'drizzle-orm';
import { OUTBOX_DESTINATIONS } from '../../domain/outbox.ts';

/** All destinations of the outbox, as an array of PostgreSQL. */
export const DESTINATIONS = sql.raw(
  `ARRAY[${OUTBOX_DESTINATIONS.map((name) => `'${name}'`).join(', ')}]`,
);
