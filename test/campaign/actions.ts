import type { Chance } from './chance.ts';

/** Roles of the sandbox's pools that registrations ask for. */
export const ROLES = ['manager', 'researcher', 'viewer'] as const;

/** Which API process takes a request. The one without Temporal writes the row and loses the signal. */
export type Through = 'api' | 'withoutTemporal';

/** What is done to a registration, some time after it was accepted. */
export type Action = { readonly afterMs: number } & (
  | { readonly kind: 'cancel'; readonly through: Through }
  | { readonly kind: 'cancelInUi' | 'terminate' }
  /** @property point of the events that a run can be reset to, as a share of 100 */
  | { readonly kind: 'reset'; readonly point: number }
);

/** Mostly soon: the happy path takes a tenth of a second, and a park a few seconds. */
export const delay = (chance: Chance): number =>
  chance.weighted([
    [3, () => chance.between(0, 300)],
    [3, () => chance.between(300, 2000)],
    [4, () => chance.between(2000, 5000)],
  ] as const)();

export const through = (chance: Chance): Through => (chance.holds(15) ? 'withoutTemporal' : 'api');
