import type { Quota } from './quota.ts';

/** One update in so many is kept for deletions: no backlog of role assignments holds up what takes back. */
const DELETIONS = 5;
/** One creation, and one update, in so many is what background work may take while persons wait. */
const BACKGROUND = 5;
/** Reads of the API, in calls. A person is one AdminGetUser (120 a second for an account and region by
 * default) and one AdminListGroupsForUser (50): of both, most is left to the saga and to others. */
export const READS_PER_SECOND = 40;

/** What this deployment may take of the account's quotas, per second; 0 is unpaced. */
export interface QuotaSettings {
  readonly createRps: number;
  readonly updateRps: number;
}

/** Calls per second of each quota; 0 is unpaced. */
export function quotaRates({ createRps, updateRps }: QuotaSettings): Record<Quota, number> {
  // Whole numbers are multiplied before they are divided: operators read the rates, and 0.16 is shorter
  // than 0.16000000000000003.
  const kept = updateRps * (DELETIONS - 1);
  return {
    create: createRps,
    update: kept / DELETIONS,
    compensation: updateRps / DELETIONS,
    background_create: createRps / BACKGROUND,
    background_update: kept / (DELETIONS * BACKGROUND),
    read: READS_PER_SECOND,
  };
}
