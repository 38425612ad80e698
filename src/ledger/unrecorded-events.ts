import type { Database } from '../db/client.ts';
import { CHANGE_WORK } from './changes/row.ts';
import { REGISTRATION_WORK } from './registrations/row.ts';
import { appendUnrecordedOf } from './work/unrecorded-events.ts';

/** Appends what the trail refused when it happened, of registrations and changes. @returns how many */
export async function appendUnrecordedEvents(db: Database, limit: number): Promise<number> {
  const ofRegistrations = await appendUnrecordedOf(db, REGISTRATION_WORK, limit);
  return ofRegistrations + (await appendUnrecordedOf(db, CHANGE_WORK, limit));
}
