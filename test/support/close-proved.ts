import type { Database } from '../../src/db/client.ts';
import type { Registration } from '../../src/domain/registration.ts';
import { closeRegistration, recordAbsence } from '../../src/ledger/registrations/compensation.ts';
import { readRow, type OnStatusChanged } from '../../src/ledger/registrations/transitions.ts';

/** Closes a compensating row, with the proof that deleteUser would have given. */
export async function closeProved(
  db: Database,
  id: string,
  onStatusChanged?: OnStatusChanged,
): Promise<Registration> {
  await recordAbsence(db, await readRow(db, id), {});
  return await closeRegistration(db, id, onStatusChanged);
}
