import { Context } from '@temporalio/activity';
import { FAILURES, parkedAs, publicFailure, type FailureName } from '../../src/domain/failure.ts';
import type { CompletedRegistration, Registration } from '../../src/domain/registration.ts';
import { attemptsWith, isCompensation } from '../../src/domain/step.ts';
import {
  beginCompensation,
  closeRegistration,
  requireCleanup,
} from '../../src/ledger/registrations/compensation.ts';
import { park, acknowledgeInstruction } from '../../src/ledger/registrations/park.ts';
import {
  beginSteps,
  complete,
  recordSteps,
  readRow,
  recordRunningFailure,
} from '../../src/ledger/registrations/transitions.ts';
import { stepDone } from '../../src/ledger/work/steps.ts';
import type { Sealing } from '../../src/secrets/sealing.ts';
import { REQUEST_TIMEOUT_MS } from '../../src/cognito/call.ts';
import type { RegistrationActivities, StepRef, StepWait } from '../contract.ts';
import { createProfile } from './create-profile.ts';
import { createUser, TooEarly } from './create-user.ts';
import { deleteProfile } from './delete-profile.ts';
import { deleteUser } from './delete-user.ts';
import type { QuotaOptions } from '../quota.ts';
import { registerAtOnce } from './register-at-once.ts';
import { assignRole, confirmRoles, removeRole } from './roles.ts';
import { progressOf } from './registration-progress.ts';
import { setPassword } from './set-password.ts';
import type { PasswordContext, StepContext } from '../step-context.ts';
import {
  activityKey,
  failedSteps,
  isSlow,
  orQuotaWait,
  parkedFailureOf,
  retryNumbersOf,
  runIdOf,
  runStep,
  stepContext,
  type StepDeps,
} from '../step-runner.ts';

/** `registerAtOnce` as a whole: below 80 % of the workflow task's 5 s, past which it would cost
 * further tasks. Each request gets what is left less 200 ms for the row. */
const AT_ONCE_MS = 3000;
const ROW_RESERVE_MS = 200;

export interface RegistrationActivityDeps extends StepDeps {
  readonly sealing: Pick<Sealing, 'open'>;
  readonly sessions: PasswordContext['sessions'];
  readonly publicMailsPerDay: number | null;
  /** Tells waiters in this process that a row has changed. */
  readonly changed: (registrationId: string, completed?: CompletedRegistration) => void;
  readonly resumeIntervalSeconds: number;
  /** Base of links to receipts, without a slash at its end; null: none is known. */
  readonly apiUrl: string | null;
}

/** The activities of `registerUser`. Each says by its step why it is safe to repeat. */
export function createRegistrationActivities(
  deps: RegistrationActivityDeps,
): RegistrationActivities {
  const { db, telemetry } = deps;
  const retry = retryNumbersOf(deps);
  const view = (row: Registration) => {
    const { id: registrationId, unrecordedEvents } = row;
    if (unrecordedEvents.length > 0) {
      deps.log.error({ registrationId, unrecordedEvents }, 'the database rejected audit events');
    }
    return progressOf(row, retry, deps.apiUrl);
  };
  const context = (
    withinMs: number,
    quota: Pick<QuotaOptions, 'registrationId' | 'queuesAs' | 'place'>,
    ...ends: readonly AbortSignal[]
  ): PasswordContext => ({
    ...stepContext(deps, withinMs, quota, ...ends),
    sealing: deps.sealing,
    sessions: deps.sessions,
    publicMailsPerDay: deps.publicMailsPerDay,
  });
  /** Of a step that takes nothing of our quotas. */
  const unpaced = (registrationId: string) =>
    context(REQUEST_TIMEOUT_MS, { registrationId, queuesAs: null });

  /** Runs a step; tells waiters. */
  async function step<T>(name: string, id: string, work: () => Promise<T>): Promise<T> {
    const of = { log: deps.log, step: name, about: { registrationId: id } };
    try {
      return await runStep(of, work, async (failure) => {
        const compensates = isCompensation(name);
        if (compensates) telemetry.compensationFailed(FAILURES[failure].code);
        if (name === 'createUser' && isSlow()) await recordSlowFailure(id, failure);
        return compensates;
      });
    } finally {
      deps.changed(id);
    }
  }

  /** A create that goes on slowly stays `running`: the row says what it waits for, and may be retried. */
  async function recordSlowFailure(id: string, failure: FailureName): Promise<void> {
    if (FAILURES[failure].kind !== 'transient') return;
    await recordRunningFailure(db, id, publicFailure(parkedAs(failure))).catch(() => undefined);
  }

  async function addAttempts(id: string, name: string, earlier: number): Promise<void> {
    const known = (await readRow(db, id)).steps[name];
    const lastError = known?.lastError ?? null;
    const attempts = attemptsWith(known, earlier);
    await recordSteps(db, id, { [name]: { status: 'retrying', attempts, lastError } });
  }

  /** A step that writes to Cognito. A slow one has attempts without end, each a minute after the last:
   * it does not queue, and so adds no events. */
  async function withQuota<T>(
    name: string,
    { registrationId: id, place, earlier }: StepRef,
    work: (ctx: StepContext) => Promise<T>,
  ): Promise<StepWait | T> {
    const { attempt, activityId } = Context.current().info;
    const quota = {
      registrationId: id,
      queuesAs: isSlow() ? null : activityId,
      place: attempt === 1 ? place : undefined,
    };
    return await step(name, id, async () => {
      if (earlier && attempt === 1) await addAttempts(id, activityId, earlier);
      try {
        return await orQuotaWait(() => work(context(REQUEST_TIMEOUT_MS, quota)));
      } catch (error) {
        if (error instanceof TooEarly) return { waitMs: error.waitMs, attempts: attempt - 1 };
        throw error;
      }
    });
  }

  return {
    registerAtOnce: ({ registrationId: id, background }) =>
      step('registerAtOnce', id, async () => {
        // One statement: a parked row waits, and what is left of another needs slots of background work.
        if (background) {
          return { run: view(await beginSteps(db, id, runIdOf())), stopped: null };
        }
        const { cancellationSignal } = Context.current();
        const withinMs = AT_ONCE_MS - ROW_RESERVE_MS;
        const quota = { registrationId: id, queuesAs: null };
        const ctx = context(withinMs, quota, cancellationSignal);
        const { row, stopped, timeline } = await registerAtOnce(ctx, id, runIdOf());
        if (timeline) deps.changed(id, { registration: row, timeline });
        return { run: view(row), stopped };
      }),
    // Repeatable: begin moves only an accepted or running row, to running.
    beginRegistration: ({ registrationId: id }) =>
      step('beginRegistration', id, async () => view(await beginSteps(db, id, runIdOf()))),
    createUser: (ref) =>
      withQuota('createUser', ref, async (ctx) => {
        await createUser(ctx, await readRow(db, ref.registrationId));
        return null;
      }),
    // Without our quota: Cognito gives these calls a quota of their own, and there is no setting for it.
    setPassword: ({ registrationId: id }) =>
      step('setPassword', id, async () => {
        await setPassword(unpaced(id), id);
      }),
    // Without a quota: the profile service says itself when it has enough.
    createProfile: ({ registrationId: id }) =>
      step('createProfile', id, async () => {
        await createProfile(unpaced(id), await readRow(db, id));
      }),
    assignRole: ({ role, ...ref }) =>
      withQuota('assignRole', ref, async (ctx) => {
        await assignRole(ctx, ref.registrationId, role);
        return null;
      }),
    removeRole: ({ role, ...ref }) =>
      withQuota('removeRole', ref, async (ctx) => {
        await removeRole(ctx, ref.registrationId, role);
        return null;
      }),
    // Its reads have a quota of their own, far above what this deployment needs.
    confirmRoles: ({ registrationId: id }) =>
      step('confirmRoles', id, () => confirmRoles(unpaced(id), id)),
    // Repeatable: only an open row moves, and a completed one is done.
    complete: ({ registrationId: id, roles }) =>
      step('complete', id, async () => {
        const { attempt } = Context.current().info;
        const steps = { complete: stepDone(attempt) };
        return view((await complete(db, id, roles, steps, telemetry.statusChanged)).registration);
      }),
    // Repeatable: the trail's key is this activity's place in the run, and a second one is nothing.
    park: ({ registrationId: id, failed, parks }) =>
      step('park', id, async () => {
        const row = await park(db, id, {
          failure: publicFailure(parkedFailureOf(failed)),
          steps: failedSteps(failed, (await readRow(db, id)).steps),
          parks,
          key: activityKey(),
          resumeIntervalSeconds: deps.resumeIntervalSeconds,
        });
        deps.log.info({ registrationId: id, code: row.failure?.code }, 'registration parked');
        return view(row);
      }),
    // Repeatable: an instruction is acknowledged once.
    acknowledgeInstruction: ({ registrationId: id }) =>
      step('acknowledgeInstruction', id, async () => view(await acknowledgeInstruction(db, id))),
    // Repeatable: only a row that goes forward moves.
    beginCompensation: ({ registrationId: id, failure, failed }) =>
      step('beginCompensation', id, async () => {
        const cause = {
          closesAs: failure === 'registration_cancelled' ? 'cancelled' : 'failed',
          failure: publicFailure(failure),
        } as const;
        const cancelled = publicFailure('registration_cancelled');
        const steps = failedSteps(failed, (await readRow(db, id)).steps);
        return view(
          await beginCompensation(db, id, cause, cancelled, steps, telemetry.statusChanged),
        );
      }),
    deleteProfile: ({ registrationId: id }) =>
      step('deleteProfile', id, () => deleteProfile(unpaced(id), id)),
    deleteUser: (ref) => withQuota('deleteUser', ref, (ctx) => deleteUser(ctx, ref.registrationId)),
    // Repeatable: says the same again.
    requireCleanup: ({ registrationId: id, failed }) =>
      step('requireCleanup', id, async () => {
        const failures = failed.map(({ step: name, failure }) => {
          const { code, detail } = publicFailure(failure);
          return { step: name, code, detail };
        });
        const row = await requireCleanup(db, id, failures, failedSteps(failed));
        deps.log.error(
          { registrationId: id, code: row.failure?.code, compensation: failed },
          'compensation keeps failing; an operator is needed',
        );
        return view(row);
      }),
    // Repeatable: only a compensating row closes, and only with proof that no user is left.
    close: ({ registrationId: id }) =>
      step('close', id, async () => view(await closeRegistration(db, id, telemetry.statusChanged))),
  };
}
