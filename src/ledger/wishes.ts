import { randomUUID } from 'node:crypto';
import { and, eq, inArray, sql, type SQL } from 'drizzle-orm';
import type { Database } from '../db/client.ts';
import { registrations } from '../db/schema.ts';
import type { AuditEventName } from '../domain/audit-event.ts';
import type { Registration, WishKind } from '../domain/registration.ts';
import { isCompensating, OPEN_FORWARD } from '../domain/status.ts';
import { append } from './audit-trail.ts';
import { atEdge } from './database-error.ts';
import { ROW, toRegistration, type RegistrationRow } from './row.ts';
import { textArray } from './run.ts';

export interface WishInput {
  readonly actor: string;
  readonly reason: string | null;
}

export type ResumeWishResult =
  | { readonly kind: 'done'; readonly registration: Registration }
  | { readonly kind: 'not_parked' };

/** Wants a parked run resumed (it is `running` again at once), a create that goes on slowly tried
 * again, or a stuck cleanup tried again. */
export async function wishRetry(
  db: Database,
  id: string,
  wish: WishInput,
): Promise<ResumeWishResult> {
  // A running row carries a failure only while its create goes on slowly.
  const resumable = sql`(status IN ('roles_pending', 'cleanup_required')
    OR (status = 'running' AND failure IS NOT NULL))`;
  return await resumeWish(db, id, 'retry', wish, {}, resumable);
}

/** Wants other roles on a parked run, and the run resumed. */
export async function wishRoles(
  db: Database,
  id: string,
  wish: WishInput & { readonly roles: readonly string[] },
): Promise<ResumeWishResult> {
  const roles = [...wish.roles];
  return await resumeWish(db, id, 'roles', wish, { roles }, sql`status = 'roles_pending'`);
}

/** Wants everything taken back. While compensating it is audited and changes nothing. */
export async function wishCancel(
  db: Database,
  id: string,
  wish: WishInput,
): Promise<
  | { readonly kind: 'done' | 'compensating'; readonly registration: Registration }
  | { readonly kind: 'already_closed' }
> {
  return await atEdge(() =>
    db.transaction(async (tx) => {
      const [open] = await tx
        .update(registrations)
        .set(wishColumns('cancel', wish))
        .where(and(eq(registrations.id, id), inArray(registrations.status, [...OPEN_FORWARD])))
        .returning(ROW);
      const row =
        open ?? (await tx.select(ROW).from(registrations).where(eq(registrations.id, id)))[0];
      if (!row || (!open && !isCompensating(row.status))) return { kind: 'already_closed' };
      await appendWish(tx, row, 'registration.cancel_requested', wish, {});
      return { kind: open ? 'done' : 'compensating', registration: toRegistration(row) };
    }),
  );
}

/** Wishes older than `olderThanMs` that no run has taken: the API died before sending them. */
export async function undeliveredWishes(
  db: Database,
  olderThanMs: number,
  limit: number,
): Promise<{ id: string; kind: WishKind }[]> {
  return await atEdge(async () => {
    const rows = await db
      .select({ id: registrations.id, kind: registrations.wish })
      .from(registrations)
      .where(
        and(
          sql`status IN ('accepted', 'running', 'roles_pending', 'compensating', 'cleanup_required')`,
          sql`wish IS NOT NULL AND wish_taken_at IS NULL`,
          sql`wish_at < clock_timestamp() - make_interval(secs => ${olderThanMs / 1000})`,
        ),
      )
      .orderBy(registrations.wishAt)
      .limit(limit);
    return rows.flatMap(({ id, kind }) => (kind ? [{ id, kind }] : []));
  });
}

async function resumeWish(
  db: Database,
  id: string,
  kind: 'retry' | 'roles',
  wish: WishInput,
  change: { roles?: string[] },
  resumable: SQL,
): Promise<ResumeWishResult> {
  return await atEdge(() =>
    db.transaction(async (tx) => {
      const touched = change.roles
        ? {
            rolesTouched: sql`ARRAY(SELECT DISTINCT unnest(roles_touched || roles || ${textArray(change.roles)}))`,
            rolesRemoved: sql`ARRAY(SELECT unnest(roles_removed) EXCEPT SELECT unnest(${textArray(change.roles)}))`,
            // Without a user no write to its groups can be on its way.
            rolesReplacedAt: sql`CASE WHEN create_outcome = 'created' THEN clock_timestamp() END`,
          }
        : {};
      const [row] = await tx
        .update(registrations)
        .set({
          ...change,
          ...touched,
          ...wishColumns(kind, wish),
          status: sql`CASE status WHEN 'roles_pending' THEN 'running' ELSE status END`,
          failure: sql`CASE WHEN status IN ('roles_pending', 'running') THEN NULL ELSE failure END`,
          nextResumeAt: null,
          resumeAttempts: 0,
          // A full budget again.
          existsSince: null,
        })
        .where(
          and(
            eq(registrations.id, id),
            resumable,
            // A wish to cancel stands: nothing may put it off.
            sql`(wish IS DISTINCT FROM 'cancel' OR status = 'cleanup_required')`,
          ),
        )
        .returning(ROW);
      if (!row) return { kind: 'not_parked' };
      const event =
        kind === 'roles' ? 'registration.roles_requested' : 'registration.retry_requested';
      await appendWish(tx, row, event, wish, change);
      return { kind: 'done', registration: toRegistration(row) };
    }),
  );
}

function wishColumns(kind: WishKind, { actor, reason }: WishInput) {
  return {
    wish: kind,
    wishActor: actor,
    wishReason: reason,
    wishAt: sql`clock_timestamp()`,
    wishTakenAt: null,
  };
}

async function appendWish(
  tx: Parameters<typeof append>[0],
  row: RegistrationRow,
  event: AuditEventName,
  wish: WishInput,
  change: { roles?: string[] },
): Promise<void> {
  await append(tx, {
    event,
    registrationId: row.id,
    userId: row.userId,
    actor: wish.actor,
    key: randomUUID(),
    // The reason is free text, and the trail cannot be erased: it stays in the row.
    details: { ...change },
  });
}
