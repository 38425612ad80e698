import type { Quota } from './quota.ts';

/** Of the updates' rate: no backlog of role assignments holds up what takes back. */
const KEPT_FOR_DELETIONS = 0.2;
/** Of creations and of updates: what background work may take while persons wait. */
const FOR_BACKGROUND = 0.2;
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
  const deletions = updateRps * KEPT_FOR_DELETIONS;
  const updates = updateRps - deletions;
  return {
    create: createRps,
    update: updates,
    compensation: deletions,
    background_create: createRps * FOR_BACKGROUND,
    background_update: updates * FOR_BACKGROUND,
    read: READS_PER_SECOND,
  };
}
