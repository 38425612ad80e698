import { getTableColumns, inArray, sql, type InferSelectModel } from 'drizzle-orm';
import type { Database, Transaction } from '../../db/client.ts';
import { rowMapper } from '../../db/prepared.ts';
import { IS_OPEN, registrations } from '../../db/schema.ts';
import type { Registration } from '../../domain/registration.ts';
import { OPEN_FORWARD } from '../../domain/status.ts';
import { atEdge } from '../database-error.ts';
import { instructionOf, readAtOf, selectRow as selectWorkRow, type Work } from '../work/work.ts';

/** What every read of a registration selects or returns: the row, and PostgreSQL's clock. Not `now()`,
 * which is the start of the transaction and precedes the wait for a lock. */
export const ROW = {
  ...getTableColumns(registrations),
  readAt: sql<Date>`clock_timestamp()`.mapWith(registrations.acceptedAt),
};

export type RegistrationRow = InferSelectModel<typeof registrations> & { readonly readAt: Date };

export const REGISTRATION_WORK: Work<RegistrationRow> = {
  table: registrations,
  row: ROW,
  open: IS_OPEN,
  forward: inArray(registrations.status, [...OPEN_FORWARD]),
  parkedStatus: 'roles_pending',
  parked: sql`phase = 'roles_pending'`,
  events: { parked: 'registration.parked', resumed: 'registration.resumed' },
  registrationId: registrations.id,
  named: ({ id }, key) => ({ registrationId: id, key }),
};

export function toRegistration(row: RegistrationRow): Registration {
  const {
    instructionActor: _actor,
    instructionReason: _reason,
    instructionAt: _at,
    instructionAcknowledgedAt: _acknowledgedAt,
    invitationStatus,
    invitationSentAt,
    invitationExpiresAt,
    invitationFailure,
    invitationReason,
    phase: _phase,
    living: _living,
    visibility: _visibility,
    failureCode: _failureCode,
    keyScope: _keyScope,
    requestHash: _requestHash,
    sweptAt: _sweptAt,
    endedRunId: _endedRunId,
    endedRunSeenAt: _endedRunSeenAt,
    retriedAt: _retriedAt,
    sealedPassword: _sealedPassword,
    eventSequence: _eventSequence,
    ...same
  } = row;
  return {
    ...same,
    instruction: instructionOf(row),
    invitation: {
      status: invitationStatus,
      sentAt: invitationSentAt,
      expiresAt: invitationExpiresAt,
      failure: invitationFailure,
      reason: invitationReason,
    },
    readAt: readAtOf(row),
  };
}

const mapColumns = rowMapper(registrations);

/** A registration from a raw row that has every column, and `read_at`. */
export function registrationOf(raw: Readonly<Record<string, unknown>>): Registration {
  const readAt = registrations.acceptedAt.mapFromDriverValue(raw['read_at']) as Date;
  return toRegistration({ ...mapColumns(raw), readAt });
}

/** The time now by PostgreSQL's clock, in ms since the epoch, from what the row was read with. */
export function nowOf({ readAt }: Pick<Registration, 'readAt'>): number {
  return readAt.database.getTime() + performance.now() - readAt.monotonicMs;
}

/** The time now by PostgreSQL's clock. @throws DatabaseError */
export async function databaseNow(db: Database): Promise<Date> {
  return await atEdge(async () => {
    const [row] = await db.execute<{ now: string }>(sql`SELECT clock_timestamp()::text AS now`);
    return new Date(row?.now ?? Number.NaN);
  });
}

/** The row of a registration, inside a transaction or not. @throws an id without a row is a bug */
export async function selectRow(
  db: Database | Transaction,
  id: string,
  lock?: 'update',
): Promise<RegistrationRow> {
  return await selectWorkRow(db, REGISTRATION_WORK, id, lock);
}
