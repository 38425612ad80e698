import type { ProfileAnswer, ProfileDeletion, ProfileOwner, ProfileRequest } from './profile.ts';

/** The service that keeps profiles. Both calls are safe to repeat. */
export interface ProfileService {
  /** How the service learns that a person was deleted: by `delete`, or by the event `user.deleted`. */
  readonly learnsOfDeletionBy: 'call' | 'event';
  /** @throws ProfileUnavailable for everything that may pass */
  create(request: ProfileRequest, signal: AbortSignal): Promise<ProfileAnswer>;
  /** Takes the profile of a registration back; one that is not there is fine.
   * @throws ProfileUnavailable for everything that may pass */
  delete(owner: ProfileOwner, signal: AbortSignal): Promise<ProfileDeletion>;
}
