import { sql } from 'drizzle-orm';
import { auditEvents, outbox, registrations } from '../../src/db/schema.ts';
import { type PoolUser, allUsers } from '../rehearsal/pool-users.ts';
import type { Stage } from './play.ts';

export interface Row {
  readonly id: string;
  readonly status: string;
  readonly email: string;
  readonly roles: readonly string[];
  readonly userId: string | null;
  readonly cognitoUsername: string | null;
  /** null: no password was chosen */
  readonly sealedAt: Date | null;
  readonly door: string;
  readonly userDeletedAt: Date | null;
  /** The registration that takes over, or took over, its address. */
  readonly replacedBy: string | null;
}

/** Everything that has to agree when the dust has settled. */
export interface World {
  readonly rows: readonly Row[];
  /** Everybody in the pool whom Registrar may have made. */
  readonly users: readonly PoolUser[];
  /** Sign-ups whose address Cognito says was proved. */
  readonly proved: ReadonlySet<string>;
  /** Of the outbox: what others are told. */
  readonly events: readonly { readonly registrationId: string | null; readonly kind: string }[];
  readonly trail: readonly {
    readonly registrationId: string | null;
    readonly event: string;
    readonly userId: string | null;
  }[];
}

/** @param others subs of users that were there before */
export async function readWorld(
  { site: { db, client, userPoolId }, proved }: Pick<Stage, 'site' | 'proved'>,
  others: ReadonlySet<string>,
): Promise<World> {
  const rows = await db
    .select({
      id: registrations.id,
      status: registrations.status,
      // A sign-up that was replaced is erased.
      email: sql<string>`coalesce(${registrations.email}, 'erased')`,
      roles: registrations.roles,
      userId: registrations.userId,
      cognitoUsername: registrations.cognitoUsername,
      sealedAt: registrations.sealedAt,
      door: registrations.door,
      userDeletedAt: registrations.userDeletedAt,
      replacedBy: registrations.replacedBy,
    })
    .from(registrations);
  const told = await db
    .select({ registrationId: outbox.registrationId, kind: outbox.kind })
    .from(outbox);
  const trail = await db
    .select({
      registrationId: auditEvents.registrationId,
      event: auditEvents.event,
      userId: auditEvents.userId,
    })
    .from(auditEvents);
  const users = await allUsers(client, userPoolId);
  return {
    rows,
    trail,
    proved,
    users: users.filter(({ sub }) => !others.has(sub)),
    events: told.filter(({ kind }) => kind.startsWith('user.')),
  };
}
