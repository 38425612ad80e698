import type { Database } from '../../src/db/client.ts';
import { recordSeenUsers, seenUsersAmong } from '../../src/ledger/compare.ts';

/** Which registrations' users a comparison has met in the pool. */
export interface SeenUsers {
  note(ids: readonly string[], comparedAt: Date): Promise<void>;
  among(ids: readonly string[], comparedAt: Date): Promise<ReadonlySet<string>>;
}

/** Beside the rows, so that pools of any size fit and a killed comparison goes on. */
export function ledgerSeenUsers(db: Database): SeenUsers {
  return {
    note: (ids, comparedAt) => recordSeenUsers(db, ids, comparedAt),
    among: (ids, comparedAt) => seenUsersAmong(db, ids, comparedAt),
  };
}

/** For one comparison that writes nothing at all: some hundred bytes for each user of ours. */
export function seenUsersInMemory(): SeenUsers {
  const met = new Set<string>();
  return {
    async note(ids) {
      for (const id of ids) met.add(id);
    },
    among: async (ids) => new Set(ids.filter((id) => met.has(id))),
  };
}
