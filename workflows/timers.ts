/** What a timer waits for, as the UI shows it. */
export const GRACE = { summary: 'a write without a reply may still land' };
export const LAG = { summary: 'the user is not visible yet' };
export const EARLY = { summary: 'an earlier attempt is too young' };

export function forQuota(quota: string): { summary: string } {
  return { summary: `a call of the quota ${quota}` };
}
