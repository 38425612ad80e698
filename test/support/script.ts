import { ApplicationFailure } from '@temporalio/common';
import type { ChangeActivities, RegistrationActivities } from '../../activities/contract.ts';

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

interface Hold<Name> {
  readonly activity: Name;
  readonly when: 'before' | 'after';
  readonly reached: PromiseWithResolvers<void>;
  readonly letGo: PromiseWithResolvers<void>;
  readonly over: PromiseWithResolvers<void>;
}

/** Lets a test crash and hold calls by name. */
function createInterference<Name extends string>() {
  const crashes: Name[] = [];
  const holds: Hold<Name>[] = [];
  return {
    scripted: async <T>(activity: Name, work: () => Promise<T>): Promise<T> => {
      const hold = take(holds, (candidate) => candidate.activity === activity);
      const pause = async (when: 'before' | 'after'): Promise<void> => {
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
    },
    crashAfter: (activity: Name) => void crashes.push(activity),
    hold: (activity: Name, when: 'before' | 'after'): Held => {
      const hold: Hold<Name> = {
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

/** @param path ordinary: the fast path never begins, so that every step is an activity of its own */
export function createScript(path: Path = 'fast'): Script {
  const { scripted, crashAfter, hold } = createInterference<ActivityName>();

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
      assignRole: (ref) => scripted('assignRole', () => real.assignRole(ref)),
      removeRole: (ref) => scripted('removeRole', () => real.removeRole(ref)),
      confirmRoles: (ref) => scripted('confirmRoles', () => real.confirmRoles(ref)),
      complete: (ref) => scripted('complete', () => real.complete(ref)),
      park: (ref) => scripted('park', () => real.park(ref)),
      acknowledgeInstruction: (ref) =>
        scripted('acknowledgeInstruction', () => real.acknowledgeInstruction(ref)),
      beginCompensation: (ref) => scripted('beginCompensation', () => real.beginCompensation(ref)),
      deleteUser: (ref) => scripted('deleteUser', () => real.deleteUser(ref)),
      requireCleanup: (ref) => scripted('requireCleanup', () => real.requireCleanup(ref)),
      close: (ref) => scripted('close', () => real.close(ref)),
    }),
    crashAfter,
    hold,
  };
}

/** What a test does to the activities of changes; a step goes by its own name. */
export interface ChangeScript {
  readonly wrap: (activities: ChangeActivities) => ChangeActivities;
  crashAfter(activity: string): void;
  hold(activity: string, when: 'before' | 'after'): Held;
}

export function createChangeScript(): ChangeScript {
  const { scripted, crashAfter, hold } = createInterference<string>();
  return {
    wrap: (real) => ({
      nextChange: (ref) => scripted('nextChange', () => real.nextChange(ref)),
      cancelChange: (ref) => scripted('cancelChange', () => real.cancelChange(ref)),
      beginChange: (ref) => scripted('beginChange', () => real.beginChange(ref)),
      changeStep: (ref) => scripted(ref.step, () => real.changeStep(ref)),
      confirmChange: (ref) => scripted('confirmChange', () => real.confirmChange(ref)),
      completeChange: (ref) => scripted('completeChange', () => real.completeChange(ref)),
      parkChange: (ref) => scripted('parkChange', () => real.parkChange(ref)),
      restoreChange: (ref) => scripted('restoreChange', () => real.restoreChange(ref)),
      closeChange: (ref) => scripted('closeChange', () => real.closeChange(ref)),
    }),
    crashAfter,
    hold,
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
