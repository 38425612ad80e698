import type { Config } from '../../src/config/config.ts';
import { ProfileUnavailable, type ProfileAnswer } from '../../src/domain/profile.ts';
import type { ProfileService } from '../../src/domain/profile-service.ts';
import type { ProfileCall, Telemetry } from '../../src/domain/telemetry.ts';
import type { Availability } from '../../src/telemetry/availability.ts';
import type { StepLog } from '../step-context.ts';
import { createHttpProfiles } from './http-profiles.ts';
import { createProfileRequests } from './profile-requests.ts';

export interface OpenProfiles extends ProfileService {
  close(): Promise<void>;
}

/** The profile service that is configured; null: none. Nothing is connected yet.
 * @param broker remembers for the whole process whether the log said that the broker is away */
export function openProfiles(
  { profile }: Pick<Config, 'profile'>,
  log: StepLog,
  telemetry: Pick<Telemetry, 'profileCalled'>,
  broker?: Availability,
): OpenProfiles | null {
  if (profile === null) return null;
  const service =
    profile.form === 'http'
      ? createHttpProfiles(profile)
      : createProfileRequests(profile, log, broker);
  return counted(service, telemetry);
}

function counted(
  service: OpenProfiles,
  { profileCalled }: Pick<Telemetry, 'profileCalled'>,
): OpenProfiles {
  async function count<T>(
    operation: ProfileCall['operation'],
    call: () => Promise<T>,
    outcomeOf: (answer: T) => ProfileCall['outcome'],
  ): Promise<T> {
    const since = performance.now();
    const done = (outcome: ProfileCall['outcome']) =>
      profileCalled({ operation, outcome, seconds: (performance.now() - since) / 1000 });
    try {
      const answer = await call();
      done(outcomeOf(answer));
      return answer;
    } catch (error) {
      const lost = error instanceof ProfileUnavailable && error.mayHaveEffect;
      done(lost ? 'no_reply' : 'unavailable');
      throw error;
    }
  }
  return {
    learnsOfDeletionBy: service.learnsOfDeletionBy,
    create: (request, signal) => count('create', () => service.create(request, signal), ofAnswer),
    delete: (request, signal) =>
      count(
        'delete',
        () => service.delete(request, signal),
        () => 'ok',
      ),
    close: () => service.close(),
  };
}

function ofAnswer({ kind }: ProfileAnswer): ProfileCall['outcome'] {
  return kind === 'refused' ? 'refused' : 'ok';
}
