import type { Database } from '../../src/db/client.ts';
import type { Registration } from '../../src/domain/registration.ts';
import { close, recordAbsence } from '../../src/ledger/compensation.ts';
import { readRow, type OnMoved } from '../../src/ledger/run.ts';

/** Closes a compensating row, with the proof that deleteUser would have given. */
export async function closeProved(
  db: Database,
  id: string,
  onMoved?: OnMoved,
): Promise<Registration> {
  await recordAbsence(db, await readRow(db, id), {});
  return await close(db, id, onMoved);
}
