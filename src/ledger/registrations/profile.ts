import { and, desc, eq, sql, type SQL } from 'drizzle-orm';
import type { Database, Transaction } from '../../db/client.ts';
import { registrations } from '../../db/schema.ts';
import type { ProfileDecision, ProfileRefusal } from '../../domain/profile.ts';
import { namesRegistration, type Registration } from '../../domain/registration.ts';
import { isClosed, isCompensating } from '../../domain/status.ts';
import { atEdge } from '../database-error.ts';
import { hasUsername } from './living.ts';
import { ROW, toRegistration, type RegistrationRow } from './row.ts';
import { GOES_FORWARD, readRow, updateRow } from './transitions.ts';
import { mergeSteps, stepDone, type StepUpdates } from '../work/steps.ts';

/** An attempt to create the profile, as the row recorded it. */
export interface ProfileAttempt {
  readonly registration: Registration;
  /** When it began. */
  readonly at: Date;
  /** When the latest of the earlier attempts without a reply began. */
  readonly earlierAt: Date | null;
}

/**
 * Records that the profile service is about to be asked; from here on the attempt counts as unanswered.
 * Only the caller that read the row's latest attempt may record the next one.
 * @returns null where another caller was first, the profile is decided or the row goes no further
 */
export async function recordProfileAttempt(
  db: Database,
  { id, profileUnansweredAt: earlierAt }: Pick<Registration, 'id' | 'profileUnansweredAt'>,
): Promise<ProfileAttempt | null> {
  const registration = await updateRow(
    db,
    id,
    {
      // No two attempts have one time: it tells them apart.
      profileUnansweredAt: sql`greatest(clock_timestamp(), profile_unanswered_at + interval '1 ms')`,
    },
    sql`${GOES_FORWARD} AND wants_profile AND profile_outcome IS NULL
      AND ${isUnansweredSince(earlierAt)}`,
  );
  const at = registration?.profileUnansweredAt;
  return registration && at ? { registration, at, earlierAt } : null;
}

/** The attempt can have no effect: nothing was sent, or the service did nothing. Others stay open. */
export async function recordProfileNotMade(
  db: Database,
  attempt: ProfileAttempt,
): Promise<Registration> {
  const { id } = attempt.registration;
  const row = await updateRow(
    db,
    id,
    { profileUnansweredAt: attempt.earlierAt },
    isUnansweredSince(attempt.at),
  );
  return row ?? (await readRow(db, id));
}

/**
 * recorded: the step waited for it; the run has to be woken · repeated: known already · closed: the row
 * is being taken back or is closed, and takes a created profile back by itself · contradicts: the row
 * knows another decision, or another id · unknown: no row asked for it
 */
export type ProfileReply = 'recorded' | 'repeated' | 'closed' | 'contradicts' | 'unknown';

/**
 * Writes what the profile service decided to the row, which hands it to the run. Repeatable: a reply may
 * come late or twice. A profile that meets a closed row is a stray: the sweep deletes it.
 * @param attempt that was answered; without one, the reply answers all that were made
 * @param attempts of the step so far, for the receipt
 */
export async function recordProfileReply(
  db: Database,
  registrationId: string,
  decision: ProfileDecision,
  attempt?: ProfileAttempt,
  attempts?: number,
): Promise<ProfileReply> {
  if (!namesRegistration(registrationId)) return 'unknown';
  return await atEdge(() =>
    db.transaction(async (tx): Promise<ProfileReply> => {
      const [row] = await tx
        .select(ROW)
        .from(registrations)
        .where(eq(registrations.id, registrationId))
        .for('update');
      if (!row || !wasAsked(row)) return 'unknown';
      const { reply, set } = settle(row, decision);
      const done = reply === 'recorded' && decision.kind === 'created';
      await update(tx, row, {
        profileUnansweredAt: unansweredAfter(row, attempt),
        ...set,
        ...(done && {
          steps: mergeSteps({ createProfile: stepDone(attempts ?? attemptsOf(row)) }),
        }),
      });
      return reply;
    }),
  );
}

type Columns = Partial<
  Pick<
    RegistrationRow,
    'profileId' | 'profileOutcome' | 'profileDeletedAt' | 'profileStrayAt' | 'profileUnansweredAt'
  >
> &
  Record<string, unknown>;

function settle(row: RegistrationRow, decision: ProfileDecision): Settled {
  return decision.kind === 'created'
    ? settleCreated(row, decision.profileId)
    : settleRefused(row, decision.failure);
}

interface Settled {
  readonly reply: Exclude<ProfileReply, 'unknown'>;
  readonly set: Columns;
}

function settleCreated(row: RegistrationRow, profileId: string): Settled {
  const known = { profileId: row.profileId ?? profileId, profileOutcome: 'created' as const };
  const reply = row.profileId === null || row.profileId === profileId ? 'closed' : 'contradicts';
  // It was created after the deletion was confirmed, or before: it is deleted again.
  if (isGone(row)) return { reply, set: { ...known, profileStrayAt: row.readAt } };
  if (isCompensating(row.status)) return { reply, set: { ...known, profileDeletedAt: null } };
  if (row.profileOutcome === null) return { reply: 'recorded', set: { ...known, ...wakes(row) } };
  if (row.profileOutcome === 'created') {
    return { reply: reply === 'closed' ? 'repeated' : reply, set: {} };
  }
  // Refused before: the registration is about to be taken back, and the profile with it.
  return { reply: 'contradicts', set: { profileUnansweredAt: row.readAt } };
}

function settleRefused(row: RegistrationRow, refusal: ProfileRefusal): Settled {
  const { profileOutcome } = row;
  const set = profileOutcome === null ? { profileOutcome: refusal } : {};
  // Also the answer to a request that came after the deletion.
  if (isGone(row) || isCompensating(row.status)) return { reply: 'closed', set };
  if (profileOutcome === null) return { reply: 'recorded', set: { ...set, ...wakes(row) } };
  return { reply: profileOutcome === 'created' ? 'contradicts' : 'repeated', set };
}

/** Nobody takes its profile back any more but the sweep. */
function isGone(row: RegistrationRow): boolean {
  if (row.status !== 'completed') return isClosed(row.status);
  return row.userDeletedAt !== null || row.releasedAt !== null || row.profileDeletedAt !== null;
}

/** Should the signal to a parked run be lost, the schedule resumes it at once. */
function wakes({ status }: RegistrationRow): Columns {
  return status === 'roles_pending' ? { nextResumeAt: sql`clock_timestamp()` } : {};
}

function wasAsked(row: RegistrationRow): boolean {
  return row.wantsProfile && (row.profileOutcome !== null || row.profileUnansweredAt !== null);
}

function unansweredAfter(row: RegistrationRow, attempt?: ProfileAttempt): Date | null {
  if (!attempt) return null;
  const isLast = row.profileUnansweredAt?.getTime() === attempt.at.getTime();
  return isLast ? attempt.earlierAt : row.profileUnansweredAt;
}

function attemptsOf({ steps }: RegistrationRow): number {
  return Math.max(1, steps['createProfile']?.attempts ?? 0);
}

async function update(tx: Transaction, { id }: RegistrationRow, set: Columns): Promise<void> {
  await tx.update(registrations).set(set).where(eq(registrations.id, id));
}

/**
 * Records that the profile is gone, unless one was recorded since the row was read.
 * @returns whether that holds
 */
export async function recordProfileDeleted(
  db: Database,
  { id, profileOutcome, profileUnansweredAt }: Registration,
  steps: StepUpdates,
): Promise<boolean> {
  const row = await updateRow(
    db,
    id,
    {
      profileDeletedAt: sql`clock_timestamp()`,
      profileStrayAt: null,
      steps: mergeSteps(steps),
    },
    sql`profile_outcome IS NOT DISTINCT FROM ${profileOutcome}::text
      AND ${isUnansweredSince(profileUnansweredAt)}`,
  );
  return row !== null;
}

/** The profile of a registration whose user is gone has to go too: the sweep deletes it, or whoever
 * creates the next profile of its address or username. */
export const PROFILE_IS_LEFT = sql`CASE
  WHEN profile_deleted_at IS NULL AND (profile_outcome = 'created' OR profile_unanswered_at IS NOT NULL)
  THEN clock_timestamp() ELSE profile_stray_at END`;

/** The stray is gone; another one may have been recorded since. */
export async function recordStrayProfileDeleted(
  db: Database,
  { id, profileStrayAt }: Registration,
): Promise<void> {
  await updateRow(
    db,
    id,
    { profileStrayAt: null, profileDeletedAt: sql`clock_timestamp()` },
    sql`profile_stray_at = ${profileStrayAt?.toISOString() ?? null}::timestamptz`,
  );
}

/** Registrations whose profiles are left and have to be deleted. */
export async function rowsWithStrayProfiles(db: Database, limit: number): Promise<Registration[]> {
  return await selectStrays(db, limit);
}

/** Those of them that may hold the address or the username of a registration in the profile service: the
 * rows of released and deleted persons no longer say whose they were. The latest first. */
export async function strayProfilesBefore(
  db: Database,
  { email, username }: Pick<Registration, 'email' | 'username'>,
): Promise<Registration[]> {
  const sameName = username === null ? sql`false` : hasUsername(username);
  const may = sql`(email = ${email} OR email IS NULL OR ${sameName})`;
  return await selectStrays(db, MAX_STRAYS, may);
}

/** An attempt has time for so many. */
export const MAX_STRAYS = 10;

async function selectStrays(db: Database, limit: number, which?: SQL): Promise<Registration[]> {
  return await atEdge(async () => {
    const rows = await db
      .select(ROW)
      .from(registrations)
      .where(and(sql`profile_stray_at IS NOT NULL`, which))
      .orderBy(desc(registrations.profileStrayAt))
      .limit(limit);
    return rows.map(toRegistration);
  });
}

function isUnansweredSince(at: Date | null): SQL {
  return sql`profile_unanswered_at IS NOT DISTINCT FROM ${at?.toISOString() ?? null}::timestamptz`;
}
