import type { ProfileFault } from '../support/profile-site.ts';
import { type Chance, type Weighted } from './chance.ts';
import { LATEST_MS } from './faults.ts';

/** What goes wrong between Registrar and the profile service. */
export interface ProfilePlan {
  readonly faults: readonly ProfileFault[];
  /** When it is away for a while. */
  readonly outages: readonly { readonly atMs: number; readonly ms: number }[];
}

type Drawn = Pick<ProfileFault, 'fault' | 'times'> | null;
type Draw = (chance: Chance) => Drawn;

const EARLIEST_MS = 1500;
/** Beyond what an attempt waits for. */
const SLOWEST_MS = 5000;

const none: Draw = () => null;
const lost =
  (effect: 'before' | 'never', most: number): Draw =>
  (chance) => ({ fault: { kind: 'lost', effect }, times: chance.between(1, most) });
const landsLate: Draw = (chance) => ({
  fault: { kind: 'lost', effect: { lateMs: chance.between(EARLIEST_MS, LATEST_MS) } },
  times: chance.between(1, 3),
});
const slow: Draw = (chance) => ({
  fault: { kind: 'slow', ms: chance.between(300, SLOWEST_MS) },
  times: chance.between(1, 2),
});
const answers =
  (status: number, most: number, body: object = {}): Draw =>
  (chance) => ({ fault: { kind: 'status', status, body }, times: chance.between(1, most) });

const PUT: Weighted<Draw> = [
  [30, none],
  [12, lost('before', 3)],
  [6, lost('never', 2)],
  [16, landsLate],
  [12, answers(503, 8)],
  [4, answers(429, 3)],
  [5, answers(409, 1, { field: 'email' })],
  [5, answers(422, 1)],
  [10, slow],
];

const DELETE: Weighted<Draw> = [
  [50, none],
  [12, lost('before', 2)],
  [8, lost('never', 2)],
  [12, landsLate],
  [12, answers(503, 6)],
  [6, slow],
];

/** @param emails of everybody who is registered
 * @returns null where the seed decides that no profile service is configured */
export function profilesFor(
  chance: Chance,
  emails: readonly string[],
  spanMs: number,
): ProfilePlan | null {
  if (!chance.holds(70)) return null;
  const of = (
    method: ProfileFault['method'],
    email: string,
    table: Weighted<Draw>,
    after = 0,
  ): ProfileFault[] => {
    const drawn = chance.weighted(table)(chance);
    return drawn === null ? [] : [{ method, email, after, ...drawn }];
  };
  return {
    faults: emails.flatMap((email): ProfileFault[] => {
      const first = of('PUT', email, PUT);
      // Meets the requests that the first one leaves.
      const next = of('PUT', email, PUT, first[0]?.times);
      return [...first, ...next, ...of('DELETE', email, DELETE)];
    }),
    outages: Array.from({ length: chance.between(1, 3) }, () => ({
      atMs: chance.between(0, spanMs),
      ms: chance.between(500, 6000),
    })),
  };
}
