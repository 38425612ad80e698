import { type About, type Finding, finding } from './finding.ts';
import type { World } from './world.ts';

/** Every completed registration that wants a profile has one, its own, and nobody else has any. */
export const aboutProfile: About = (row, { profiles }) => {
  const [profile, ...more] = profiles.filter(({ registrationId }) => registrationId === row.id);
  if (more.length > 0) return [finding(row, 'two profiles', `it has ${more.length + 1}`)];
  const mustHave = row.status === 'completed' && !row.isGone && row.wantsProfile;
  if (!mustHave) {
    return profile ? [finding(row, 'profile left behind', `profile ${profile.id}`)] : [];
  }
  if (!profile) return [finding(row, 'no profile', `it names profile ${row.profileId}`)];
  const [is, should] = [
    [profile.id, profile.userId],
    [row.profileId, row.userId],
  ].map((names) => names.join(' of '));
  return is === should
    ? []
    : [finding(row, 'other profile than recorded', `profile ${is}, not ${should}`)];
};

/** Profiles that belong to nobody whom the ledger knows, and persons with two. */
export function aboutAllProfiles({ rows, profiles }: World): Finding[] {
  const known = new Set(rows.map(({ id }) => id));
  const strangers = profiles.filter(({ registrationId }) => !known.has(registrationId));
  const userIds = profiles.map(({ userId }) => userId);
  const twice = new Set(userIds.filter((id, index) => userIds.indexOf(id) !== index));
  return [
    ...strangers.map(({ id, registrationId }) => ({
      kind: 'profile without a row' as const,
      text: `profile ${id} of registration ${registrationId}`,
      registrationId: null,
    })),
    ...[...twice].map((userId) => ({
      kind: 'two profiles' as const,
      text: `user ${userId}`,
      registrationId: null,
    })),
  ];
}
