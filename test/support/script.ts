import { ApplicationFailure } from '@temporalio/common';
import type { RegistrationActivities } from '../../activities/contract.ts';

export type ActivityName = keyof RegistrationActivities;
export type Path = 'fast' | 'ordinary';

/** What a test does to activities from outside: they are the real ones. */
export interface Script {
  readonly wrap: (activities: RegistrationActivities) => RegistrationActivities;
  /** The next call does its work, then fails like a worker that died before it could answer. */
  crashAfter(activity: ActivityName): void;
  /** The next call waits, before or after its work, until it is let go. */
  hold(activity: ActivityName, when: 'before' | 'after'): Held;
}

export interface Held {
  /** The call has come this far. */
  readonly reached: Promise<void>;
  letGo(): void;
  /** The call has returned or thrown. */
  readonly over: Promise<void>;
}

interface Hold {
  readonly activity: ActivityName;
  readonly when: 'before' | 'after';
  readonly reached: PromiseWithResolvers<void>;
  readonly letGo: PromiseWithResolvers<void>;
  readonly over: PromiseWithResolvers<void>;
}

/** @param path ordinary: the fast path never begins, so that every step is an activity of its own */
export function createScript(path: Path = 'fast'): Script {
  const crashes: ActivityName[] = [];
  const holds: Hold[] = [];

  async function scripted<T>(activity: ActivityName, work: () => Promise<T>): Promise<T> {
    const hold = take(holds, (candidate) => candidate.activity === activity);
    const pause = async (when: Hold['when']): Promise<void> => {
      if (hold?.when !== when) return;
      hold.reached.resolve();
      await hold.letGo.promise;
    };
    try {
      await pause('before');
      const result = await work();
      await pause('after');
      if (take(crashes, (name) => name === activity)) throw died();
      return result;
    } finally {
      hold?.over.resolve();
    }
  }

  return {
    wrap: (real) => ({
      registerAtOnce: (ref) =>
        scripted('registerAtOnce', () => {
          if (path === 'ordinary') throw died();
          return real.registerAtOnce(ref);
        }),
      beginRegistration: (ref) => scripted('beginRegistration', () => real.beginRegistration(ref)),
      createUser: (ref) => scripted('createUser', () => real.createUser(ref)),
      setPassword: (ref) => scripted('setPassword', () => real.setPassword(ref)),
      createProfile: (ref) => scripted('createProfile', () => real.createProfile(ref)),
      assignRole: (ref) => scripted('assignRole', () => real.assignRole(ref)),
      removeRole: (ref) => scripted('removeRole', () => real.removeRole(ref)),
      confirmRoles: (ref) => scripted('confirmRoles', () => real.confirmRoles(ref)),
      complete: (ref) => scripted('complete', () => real.complete(ref)),
      park: (ref) => scripted('park', () => real.park(ref)),
      acknowledgeInstruction: (ref) =>
        scripted('acknowledgeInstruction', () => real.acknowledgeInstruction(ref)),
      beginCompensation: (ref) => scripted('beginCompensation', () => real.beginCompensation(ref)),
      deleteProfile: (ref) => scripted('deleteProfile', () => real.deleteProfile(ref)),
      deleteUser: (ref) => scripted('deleteUser', () => real.deleteUser(ref)),
      requireCleanup: (ref) => scripted('requireCleanup', () => real.requireCleanup(ref)),
      close: (ref) => scripted('close', () => real.close(ref)),
    }),
    crashAfter: (activity) => void crashes.push(activity),
    hold(activity, when) {
      const hold: Hold = {
        activity,
        when,
        reached: Promise.withResolvers(),
        letGo: Promise.withResolvers(),
        over: Promise.withResolvers(),
      };
      holds.push(hold);
      return {
        reached: hold.reached.promise,
        letGo: () => hold.letGo.resolve(),
        over: hold.over.promise,
      };
    },
  };
}

// The shortest delay there is: the policy's back-off would only cost time.
function died(): ApplicationFailure {
  return ApplicationFailure.create({ type: 'server_error', message: 'died', nextRetryDelay: 1 });
}

function take<T>(list: T[], fits: (item: T) => boolean): T | undefined {
  const index = list.findIndex(fits);
  return index < 0 ? undefined : list.splice(index, 1)[0];
}
