import type { Database } from '../src/db/client.ts';
import { noteSighted, sighted } from '../src/ledger/compare.ts';

/** Which registrations' users a comparison has met in the pool. */
export interface Sightings {
  note(ids: readonly string[], comparedAt: Date): Promise<void>;
  among(ids: readonly string[], comparedAt: Date): Promise<ReadonlySet<string>>;
}

/** Beside the rows, so that pools of any size fit and a killed comparison goes on. */
export function ledgerSightings(db: Database): Sightings {
  return {
    note: (ids, comparedAt) => noteSighted(db, ids, comparedAt),
    among: (ids, comparedAt) => sighted(db, ids, comparedAt),
  };
}

/** For one comparison that writes nothing at all: some hundred bytes for each user of ours. */
export function sightingsInMemory(): Sightings {
  const met = new Set<string>();
  return {
    async note(ids) {
      for (const id of ids) met.add(id);
    },
    among: async (ids) => new Set(ids.filter((id) => met.has(id))),
  };
}
