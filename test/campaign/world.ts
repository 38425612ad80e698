import { sql } from 'drizzle-orm';
import { auditEvents, changes, outbox, registrations } from '../../src/db/schema.ts';
import { type PoolUser, allUsers } from '../rehearsal/pool-users.ts';
import type { ChangeKind, ChangeStatus } from '../../src/domain/change.ts';
import type { StoredProfile } from '../support/profile-site.ts';
import type { Stage } from './stage.ts';

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
  /** Its user was deleted, or is no longer in the pool. */
  readonly isGone: boolean;
  readonly wantsProfile: boolean;
  readonly profileId: string | null;
  /** The registration that takes over, or took over, its address. */
  readonly replacedBy: string | null;
}

/** A change of a person, in the order of acceptance. */
export interface ChangeRow {
  readonly id: string;
  readonly registrationId: string;
  readonly kind: ChangeKind;
  readonly status: ChangeStatus;
  readonly roles: readonly string[];
}

/** Everything that has to agree when the dust has settled. */
export interface World {
  readonly rows: readonly Row[];
  readonly changes: readonly ChangeRow[];
  /** All that the profile service has. */
  readonly profiles: readonly StoredProfile[];
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
    /** The change that it is about; null: it is about the registration. */
    readonly changeId: string | null;
  }[];
}

/** @param others subs of users that were there before */
export async function readWorld(
  { site: { db, client, userPoolId, profiles }, proved }: Pick<Stage, 'site' | 'proved'>,
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
      isGone: sql<boolean>`(user_deleted_at IS NOT NULL OR released_at IS NOT NULL)`,
      wantsProfile: registrations.wantsProfile,
      profileId: registrations.profileId,
      replacedBy: registrations.replacedBy,
    })
    .from(registrations);
  const changed = await db
    .select({
      id: changes.id,
      registrationId: changes.registrationId,
      kind: changes.kind,
      status: changes.status,
      roles: changes.roles,
    })
    .from(changes)
    .orderBy(changes.position);
  const told = await db
    .select({ registrationId: outbox.registrationId, kind: outbox.kind })
    .from(outbox);
  const trail = await db
    .select({
      registrationId: auditEvents.registrationId,
      event: auditEvents.event,
      userId: auditEvents.userId,
      changeId: sql<string | null>`details->>'changeId'`,
    })
    .from(auditEvents);
  const users = await allUsers(client, userPoolId);
  return {
    rows,
    changes: changed,
    profiles: (await profiles?.all()) ?? [],
    trail,
    proved,
    users: users.filter(({ sub }) => !others.has(sub)),
    events: told.filter(({ kind }) => kind.startsWith('user.')),
  };
}
