import { eq, sql } from 'drizzle-orm';
import type { Database, Transaction } from '../../db/client.ts';
import { registrations } from '../../db/schema.ts';
import type { AuditEventName } from '../../domain/audit-event.ts';
import type { Change, ChangeKind } from '../../domain/change.ts';
import type { CutoffCause } from '../../domain/token-cutoff.ts';
import type { UserEventType } from '../../domain/user-event.ts';
import { atEdge } from '../database-error.ts';
import { erasePerson } from '../erasure.ts';
import { PROFILE_IS_LEFT } from '../registrations/profile.ts';
import { appendUserEvent } from '../outbox/append-user-event.ts';
import { selectRow as selectRegistration } from '../registrations/row.ts';
import { cutOffTokens } from '../token-cutoffs.ts';
import { instructionColumns } from '../work/instructions.ts';
import { moveLocked } from '../work/move.ts';
import { mergeSteps, type StepUpdates } from '../work/steps.ts';
import { ACKNOWLEDGED, appendWorkEvent, CLOCK, selectRow, updateRow } from '../work/work.ts';
import { closing } from './cancel.ts';
import { CHANGE_WORK, toChange, type ChangeRow, type OnChangeStatusChanged } from './row.ts';
import { GOES_FORWARD } from './transitions.ts';

export type CompleteChangeResult =
  /** Also when it was completed before. */
  | { readonly kind: 'completed'; readonly change: Change }
  | { readonly kind: 'not_forward'; readonly change: Change };

/** What a completed change is to the trail, to others, and to the person's tokens. */
const MEANING: Readonly<
  Record<
    ChangeKind,
    {
      readonly audit: AuditEventName;
      readonly event: Exclude<UserEventType, 'user.created'> | null;
      readonly cutOff: CutoffCause | null;
    }
  >
> = {
  roles: {
    audit: 'user.roles_changed',
    event: 'user.roles_changed',
    cutOff: 'roles_changed',
  },
  disable: { audit: 'user.disabled', event: 'user.disabled', cutOff: 'sessions_ended' },
  enable: { audit: 'user.enabled', event: 'user.enabled', cutOff: null },
  sign_out: { audit: 'user.signed_out_everywhere', event: null, cutOff: 'sessions_ended' },
  delete: { audit: 'user.deleted', event: 'user.deleted', cutOff: 'sessions_ended' },
};

/**
 * The only way to `completed`: row, audit event, the event for others and the end of tokens in one
 * transaction; of a deletion also the erasure, and the end of the person's other open changes. A completed
 * row is done and inserts nothing, so a commit whose reply was lost can be repeated.
 */
export async function completeChange(
  db: Database,
  id: string,
  steps: StepUpdates,
  onStatusChanged?: OnChangeStatusChanged,
): Promise<CompleteChangeResult> {
  const { result, moved } = await atEdge(() => db.transaction((tx) => completeIn(tx, id, steps)));
  for (const change of moved) onStatusChanged?.(change);
  return result;
}

interface Completed {
  readonly result: CompleteChangeResult;
  /** All that this transaction closed. */
  readonly moved: readonly Change[];
}

async function completeIn(tx: Transaction, id: string, steps: StepUpdates): Promise<Completed> {
  const { registrationId, kind } = await selectRow(tx, CHANGE_WORK, id);
  // In the order in which an acceptance locks them.
  await selectRegistration(tx, registrationId, 'update');
  const row = await updateRow(
    tx,
    CHANGE_WORK,
    id,
    {
      status: 'completed',
      finishedAt: CLOCK,
      failure: null,
      nextResumeAt: null,
      instructionAcknowledgedAt: ACKNOWLEDGED,
      steps: mergeSteps(steps),
    },
    sql`${GOES_FORWARD} AND begun_at IS NOT NULL`,
  );
  if (!row) {
    const found = await selectRow(tx, CHANGE_WORK, id);
    const is = found.status === 'completed' ? 'completed' : 'not_forward';
    return { result: { kind: is, change: toChange(found) }, moved: [] };
  }
  const others = kind === 'delete' ? await recordDeleted(tx, row) : [];
  const { audit, event, cutOff } = MEANING[kind];
  await appendWorkEvent(tx, CHANGE_WORK, row, {
    event: audit,
    actor: row.requestedBy,
    details: kind === 'roles' ? difference(row) : {},
  });
  const roles = kind === 'roles' ? row.roles : null;
  if (event) await appendUserEvent(tx, registrationId, event, roles);
  if (kind === 'delete') await erasePerson(tx, { userId: row.userId, registrationId });
  if (cutOff) await cutOffTokens(tx, row.userId, cutOff);
  const change = toChange(kind === 'delete' ? await selectRow(tx, CHANGE_WORK, id) : row);
  return { result: { kind: 'completed', change }, moved: [change, ...others] };
}

function difference({ roles, rolesBefore }: ChangeRow): { added: string[]; removed: string[] } {
  const before = rolesBefore ?? [];
  return {
    added: roles.filter((role) => !before.includes(role)),
    removed: before.filter((role) => !roles.includes(role)),
  };
}

/** The person is gone: the address is free, and the other open changes have nothing left to do.
 * @returns those, closed */
async function recordDeleted(tx: Transaction, by: ChangeRow): Promise<Change[]> {
  await tx
    .update(registrations)
    .set({
      userDeletedAt: sql`coalesce(user_deleted_at, clock_timestamp())`,
      sealedPassword: null,
      // Where no call told the profile service, or the setting was off meanwhile.
      profileStrayAt: PROFILE_IS_LEFT,
    })
    .where(eq(registrations.id, by.registrationId));
  const others = await tx.execute<{ id: string }>(sql`SELECT id FROM changes
    WHERE user_id = ${by.userId} AND open ORDER BY position FOR UPDATE`);
  const closed: Change[] = [];
  for (const { id } of others) {
    const { row } = await moveLocked(tx, CHANGE_WORK, id, (found) => {
      const close = closing(found);
      const isCancelled = found.instruction === 'cancel' || found.restoresAs !== null;
      const told = instructionColumns('cancel', { actor: by.requestedBy, reason: null });
      return {
        ...close,
        set: isCancelled ? close.set : { ...close.set, ...told, instructionAcknowledgedAt: CLOCK },
      };
    });
    closed.push(toChange(row));
  }
  return closed;
}
