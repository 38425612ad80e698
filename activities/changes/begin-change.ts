import { readAdministrators } from '../../src/domain/administrators.ts';
import {
  plannedRoleSteps,
  rolesBeforeOf,
  type AccountRead,
} from '../../src/domain/change-progress.ts';
import { isOpenChange, type Change } from '../../src/domain/change.ts';
import { WAITING } from '../../src/domain/step.ts';
import {
  leavesNoAdministrator,
  type RefusesChange,
} from '../../src/ledger/changes/last-administrator.ts';
import {
  beginChange as beginRow,
  recordChangeSteps,
} from '../../src/ledger/changes/transitions.ts';
import { recentlyWritten } from '../../src/ledger/changes/writes.ts';
import type { ProviderUser } from '../../src/cognito/adapter.ts';
import { usernameOf } from '../registration/created-user.ts';
import type { StepContext } from '../step-context.ts';
import { StepFailure } from '../step-failure.ts';
import { asked, readChanged, readPerson, type ChangedPerson } from './changed-person.ts';

/** These are done where the user is gone. */
const DONE_IF_GONE: ReadonlySet<Change['kind']> = new Set(['sign_out', 'delete']);

/**
 * Reads the account, and plans the change against it, before anything is written. Safe to repeat: a
 * change that has begun stays as it began.
 * @param administratorRoles the roles whose holders may assign every role
 * @throws StepFailure
 */
export async function beginChange(
  ctx: StepContext,
  changeId: string,
  administratorRoles: readonly string[],
): Promise<Change> {
  const person = await readChanged(ctx, changeId);
  const { change } = person;
  if (!isOpenChange(change.status) || change.begunAt !== null || change.restoresAs !== null) {
    return change;
  }
  const user = await readPerson(ctx, person);
  if (!user && !DONE_IF_GONE.has(change.kind)) throw new StepFailure('user_vanished');
  const recent = await recentlyWritten(ctx.db, change.userId, ctx.graceMs / 1000);
  const read: AccountRead = {
    roles: user && isAboutRoles(change, administratorRoles) ? await readRoles(ctx, person) : [],
    recent: recent.roles,
    settled: recent.settledRoles,
  };
  const has = rolesBeforeOf(read);
  const roles = change.addsRoles ? [...new Set([...has, ...change.roles])] : change.roles;
  if (change.kind === 'roles') {
    // Before it begins: whoever finds it begun knows what there is to do.
    const steps = plannedRoleSteps(roles, read).map((step) => [step, WAITING] as const);
    await recordChangeSteps(ctx.db, changeId, Object.fromEntries(steps));
  }
  const enabledBefore = user ? (recent.settledEnabled ?? user.enabled) : null;
  const begun = await asked(ctx, 'readUser', person.subject, () =>
    beginRow(
      ctx.db,
      changeId,
      { rolesBefore: change.kind === 'roles' ? has : null, enabledBefore },
      takesAway(change, user, { has, roles, administratorRoles })
        ? refusal(ctx, change, administratorRoles)
        : null,
    ),
  );
  if (begun.kind === 'last_administrator') throw new StepFailure('no_administrator_left');
  return begun.change;
}

function isAboutRoles({ kind }: Change, administratorRoles: readonly string[]): boolean {
  if (kind === 'roles') return true;
  return (kind === 'disable' || kind === 'delete') && administratorRoles.length > 0;
}

async function readRoles(ctx: StepContext, { subject }: ChangedPerson): Promise<string[]> {
  return await asked(ctx, 'readUser', subject, (signal) =>
    ctx.provider.rolesOf(usernameOf(subject), signal),
  );
}

/** Whether the person can assign every role now, and cannot after the change. */
function takesAway(
  { kind }: Change,
  user: ProviderUser | null,
  of: {
    readonly has: readonly string[];
    readonly roles: readonly string[];
    readonly administratorRoles: readonly string[];
  },
): boolean {
  const holds = (roles: readonly string[]) =>
    roles.some((role) => of.administratorRoles.includes(role));
  if (!user?.enabled || !holds(of.has)) return false;
  return kind === 'disable' || kind === 'delete' || (kind === 'roles' && !holds(of.roles));
}

function refusal(
  ctx: StepContext,
  { userId }: Change,
  administratorRoles: readonly string[],
): RefusesChange {
  const enabledMembers = () =>
    readAdministrators(administratorRoles, (role) => ctx.provider.usersInRole(role, ctx.signal));
  const graceSeconds = ctx.graceMs / 1000;
  return async (tx) =>
    await leavesNoAdministrator(tx, { userId, administratorRoles, graceSeconds, enabledMembers });
}
