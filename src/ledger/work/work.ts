import { and, eq, sql, type SQL } from 'drizzle-orm';
import type { PgColumn } from 'drizzle-orm/pg-core';
import type { Database, Transaction } from '../../db/client.ts';
import type { changes, registrations } from '../../db/schema.ts';
import type { AuditEventName } from '../../domain/audit-event.ts';
import type {
  Instruction,
  InstructionKind,
  PublicFailure,
  ReadAt,
} from '../../domain/registration.ts';
import { appendAuditEvent, type NewAuditEvent } from '../audit/audit-trail.ts';
import type { StepUpdates } from './steps.ts';

/*
 * What `registrations` and `changes` share: a row that is the commit point of durable work, which parks,
 * is retried, cancelled, swept and audited. These functions take a table as a `Work`; each table's own
 * modules add what differs.
 */

/** What every row of work has. */
export interface WorkRow extends InstructionColumns {
  readonly id: string;
  readonly status: string;
  readonly userId: string | null;
  readonly failure: PublicFailure | null;
  readonly steps: StepUpdates;
  readonly runId: string | null;
  readonly acceptedAt: Date;
  readonly resumeAttempts: number;
  readonly unrecordedEvents: readonly AuditEventName[];
  readonly readAt: Date;
}

/** A table of work. Conditions name columns without their table: no statement joins two of them. */
export interface Work<Row extends WorkRow> {
  readonly table: typeof registrations | typeof changes;
  /** All columns, and PostgreSQL's clock as `readAt`. */
  readonly row: Readonly<Record<string, PgColumn | SQL>>;
  /** As the partial index of open rows says it. */
  readonly open: SQL;
  /** Open, and not taking back what was done: such a row may park and be cancelled. */
  readonly forward: SQL;
  readonly parkedStatus: string;
  /** As the partial index of due rows says it. */
  readonly parked: SQL;
  readonly events: {
    readonly parked: AuditEventName;
    readonly resumed: AuditEventName;
  };
  /** The registration under which the trail has the events of a row. */
  readonly registrationId: PgColumn;
  /** How the trail names an event of a row. */
  readonly named: (
    row: Row,
    key: string,
  ) => Pick<NewAuditEvent, 'registrationId' | 'key' | 'details'>;
}

/** A reading of rows, within a transaction or not. */
type Reader = Database | Transaction;

export type ColumnUpdates = Readonly<Record<string, unknown>>;

/** Sets columns of the rows that fit. */
export async function updateRows<Row extends WorkRow>(
  db: Reader,
  work: Work<Row>,
  set: ColumnUpdates,
  where: SQL | undefined,
): Promise<Row[]> {
  // Both tables have the columns that are set here; drizzle's types name one table.
  const table = work.table as typeof registrations;
  const rows = await db
    .update(table)
    .set(set as Parameters<ReturnType<Database['update']>['set']>[0] & ColumnUpdates)
    .where(where)
    .returning(work.row as { id: PgColumn });
  return rows as unknown as Row[];
}

export async function updateRow<Row extends WorkRow>(
  db: Reader,
  work: Work<Row>,
  id: string,
  set: ColumnUpdates,
  condition?: SQL,
): Promise<Row | null> {
  const [row] = await updateRows(db, work, set, and(eq(work.table.id, id), condition));
  return row ?? null;
}

/** @throws an id without a row is a bug */
export async function selectRow<Row extends WorkRow>(
  db: Reader,
  work: Work<Row>,
  id: string,
  lock?: 'update',
): Promise<Row> {
  const row = await findRow(db, work, id, lock);
  if (!row) throw new Error(`no row for ${id}`);
  return row;
}

export async function findRow<Row extends WorkRow>(
  db: Reader,
  work: Work<Row>,
  id: string,
  lock?: 'update',
): Promise<Row | null> {
  const [row] = await selectRows(db, work, eq(work.table.id, id), { limit: 1, lock });
  return row ?? null;
}

export async function selectRows<Row extends WorkRow>(
  db: Reader,
  work: Work<Row>,
  where: SQL | undefined,
  { limit, orderBy = [], lock }: Selection,
): Promise<Row[]> {
  const query = db
    .select(work.row as { id: PgColumn })
    .from(work.table as typeof registrations)
    .where(where)
    .orderBy(...orderBy)
    .limit(limit);
  const rows = lock
    ? await query.for('update', lock === 'skipLocked' ? { skipLocked: true } : {})
    : await query;
  return rows as unknown as Row[];
}

interface Selection {
  readonly limit: number;
  readonly orderBy?: readonly (PgColumn | SQL)[];
  readonly lock?: 'update' | 'skipLocked' | undefined;
}

/** What happened to a row. */
export interface WorkEvent {
  readonly event: AuditEventName;
  readonly actor: string;
  /** What makes a repeat the same event of the same row. */
  readonly key?: string;
  readonly details?: Readonly<Record<string, unknown>>;
}

export async function appendWorkEvent<Row extends WorkRow>(
  tx: Reader,
  work: Work<Row>,
  row: Row,
  event: WorkEvent,
): Promise<boolean> {
  return await appendAuditEvent(tx, auditEventOf(work, row, event));
}

/** As the trail has it. */
export function auditEventOf<Row extends WorkRow>(
  work: Work<Row>,
  row: Row,
  { event, actor, key = '', details }: WorkEvent,
): NewAuditEvent {
  const named = work.named(row, key);
  return { ...named, event, userId: row.userId, actor, details: { ...named.details, ...details } };
}

interface InstructionColumns {
  readonly instruction: InstructionKind | null;
  readonly instructionActor: string | null;
  readonly instructionReason: string | null;
  readonly instructionAt: Date | null;
  readonly instructionAcknowledgedAt: Date | null;
}

/** The instruction that a row carries, out of its columns. */
export function instructionOf(row: InstructionColumns): Instruction | null {
  const { instruction, instructionActor, instructionReason, instructionAt } = row;
  if (!instruction || !instructionActor || !instructionAt) return null;
  return {
    kind: instruction,
    actor: instructionActor,
    reason: instructionReason,
    at: instructionAt,
    acknowledgedAt: row.instructionAcknowledgedAt,
  };
}

export function readAtOf(row: { readonly readAt: Date }): ReadAt {
  return { database: row.readAt, monotonicMs: performance.now() };
}

/** Not `now()`, which is the start of the transaction and precedes the wait for a lock. */
export const CLOCK = sql`clock_timestamp()`;

/** An instruction that was given counts as seen from now. */
export const ACKNOWLEDGED = sql`CASE WHEN instruction IS NULL THEN NULL
  ELSE coalesce(instruction_acknowledged_at, clock_timestamp()) END`;
