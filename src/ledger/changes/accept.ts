import { and, eq, sql } from 'drizzle-orm';
import type { Database, Transaction } from '../../db/client.ts';
import { changes, HOLDS_CHANGE_KEY } from '../../db/schema.ts';
import { OVERTAKING, type Change } from '../../domain/change.ts';
import type { Registration } from '../../domain/registration.ts';
import { atEdge } from '../database-error.ts';
import { REGISTRATION_WORK, toRegistration } from '../registrations/row.ts';
import { findRowByKey, type RequestKey } from '../work/keys.ts';
import { appendWorkEvent, CLOCK, findRow, selectRows } from '../work/work.ts';
import { cancelChange } from './cancel.ts';
import { underAdministratorsLock, type RefusesChange } from './last-administrator.ts';
import {
  CHANGE_ROW,
  CHANGE_WORK,
  toChange,
  type ChangeRow,
  type OnChangeStatusChanged,
} from './row.ts';

/** A parsed, normalised request; `id` is the caller's choice, so that a repeated commit is the same row. */
export interface AcceptChangeInput extends Pick<
  Change,
  | 'id'
  | 'kind'
  | 'userId'
  | 'roles'
  | 'addsRoles'
  | 'personRoles'
  | 'requestedBy'
  | 'idempotencyKey'
> {
  /** `<caller> <METHOD route>`: within what a key is unique. */
  readonly keyScope: string;
  /** Of the body and the person: `requestHashOf`. */
  readonly requestHash: string;
  readonly reason: string | null;
}

/** Whether the caller may still act on the person, whom an earlier change may give other roles. It is
 * called while the row of the person is held. */
export type MayAct = (tx: Transaction) => Promise<boolean>;

export type AcceptChangeResult =
  | {
      readonly kind: 'accepted';
      readonly change: Change;
      /** How the person's run is to be woken: `interrupt` where earlier changes may have to stop. */
      readonly wake: 'accepted' | 'interrupt';
    }
  | { readonly kind: 'replayed'; readonly change: Change }
  | { readonly kind: 'key_reused'; readonly change: Change }
  /** The person has no completed registration that lives, or it is being replaced; or is hidden from the
   * caller by now. */
  | { readonly kind: 'not_there' }
  | { readonly kind: 'last_administrator' };

/** What an attempt to accept wrote: other changes that it closed are told after the commit. */
interface Attempt {
  readonly result: AcceptChangeResult | null;
  readonly closed: readonly Change[];
}

/**
 * Accepts a change of a person: the row, `change.requested` and what it overtakes, in one transaction
 * that serialises everything accepted for this person. After it commits the change cannot be lost.
 * @throws DatabaseError
 */
export async function acceptChange(
  db: Database,
  input: AcceptChangeInput,
  refuses: RefusesChange | null,
  onStatusChanged?: OnChangeStatusChanged,
  mayAct: MayAct | null = null,
): Promise<AcceptChangeResult> {
  // The holder of a key may close between the insert that met it and the read that looks for it.
  for (let attempt = 0; attempt < 5; attempt += 1) {
    const known = await atEdge(() => findRepeated(db, input));
    if (known) return known;
    const accept = (tx: Transaction) => acceptIn(tx, input, refuses, mayAct);
    const { result, closed } = await atEdge(() =>
      refuses ? underAdministratorsLock(db, accept) : db.transaction(accept),
    );
    for (const change of closed) onStatusChanged?.(change);
    if (result) return result;
  }
  throw new Error('acceptChange: the conflicting row disappeared in each of five attempts');
}

/** The change that holds a key, if one does; looked up before anything else is decided. */
export async function findChangeByKey(
  db: Database | Transaction,
  key: RequestKey,
): Promise<{ change: Change; requestHash: string | null } | null> {
  const row = await findRowByKey(db, CHANGE_WORK, key, HOLDS_CHANGE_KEY);
  return row && { change: toChange(row), requestHash: row.requestHash };
}

async function acceptIn(
  tx: Transaction,
  input: AcceptChangeInput,
  refuses: RefusesChange | null,
  mayAct: MayAct | null,
): Promise<Attempt> {
  const without = (result: AcceptChangeResult | null): Attempt => ({ result, closed: [] });
  const registration = await lockPerson(tx, input.userId);
  if (!registration) return without({ kind: 'not_there' });
  // Committed while this transaction waited.
  const known = await findRepeated(tx, input);
  if (known) return without(known);
  if (mayAct && !(await mayAct(tx))) return without({ kind: 'not_there' });
  if (refuses && (await refuses(tx, registration))) return without({ kind: 'last_administrator' });
  const row = await insert(tx, input, registration.id);
  if (!row) return without(null);
  const roles = row.kind === 'roles' ? { roles: row.roles, addsRoles: row.addsRoles } : {};
  await appendWorkEvent(tx, CHANGE_WORK, row, {
    event: 'change.requested',
    actor: row.requestedBy,
    details: { kind: row.kind, ...roles },
  });
  const overtakes = OVERTAKING.includes(row.kind);
  const closed = overtakes ? await cancelOvertaken(tx, row) : [];
  const wake = overtakes ? 'interrupt' : 'accepted';
  return { result: { kind: 'accepted', change: toChange(row), wake }, closed };
}

/** The completed registration of a person, locked: what is accepted for them is accepted in this order.
 * null: there is none, or another registration takes its address over. */
async function lockPerson(tx: Transaction, userId: string): Promise<Registration | null> {
  const where = sql`user_id = ${userId} AND status = 'completed' AND living`;
  const [row] = await selectRows(tx, REGISTRATION_WORK, where, { limit: 1, lock: 'update' });
  return row && row.replacedBy === null ? toRegistration(row) : null;
}

/** What the same request was answered with before: by its id where the reply to the COMMIT was lost, or
 * by its key. */
async function findRepeated(
  db: Database | Transaction,
  { id, kind, keyScope, idempotencyKey, requestHash }: AcceptChangeInput,
): Promise<AcceptChangeResult | null> {
  const same = await findRow(db, CHANGE_WORK, id);
  if (same) {
    const wake = OVERTAKING.includes(kind) ? 'interrupt' : 'accepted';
    return { kind: 'accepted', change: toChange(same), wake };
  }
  if (idempotencyKey === null) return null;
  const held = await findChangeByKey(db, { keyScope, idempotencyKey });
  if (!held) return null;
  const isSame = held.requestHash === requestHash;
  return { kind: isSame ? 'replayed' : 'key_reused', change: held.change };
}

/** null where another change holds the key: for another person, since this one is locked. */
async function insert(
  tx: Transaction,
  input: AcceptChangeInput,
  registrationId: string,
): Promise<ChangeRow | null> {
  const [row] = await tx
    .insert(changes)
    .values({
      ...input,
      registrationId,
      roles: [...input.roles],
      personRoles: [...input.personRoles],
      status: 'accepted',
      acceptedAt: CLOCK,
      sweptAt: CLOCK,
    })
    .onConflictDoNothing()
    .returning(CHANGE_ROW);
  return row ?? null;
}

/** Cancels the changes of roles before this one that are not finished. @returns those closed at once */
async function cancelOvertaken(tx: Transaction, by: ChangeRow): Promise<Change[]> {
  const earlier = await tx
    .select({ id: changes.id })
    .from(changes)
    .where(
      and(
        eq(changes.userId, by.userId),
        sql`open AND kind = 'roles' AND restores_as IS NULL`,
        sql`position < ${by.position} AND instruction IS DISTINCT FROM 'cancel'`,
      ),
    )
    .orderBy(changes.position);
  const closed: Change[] = [];
  for (const { id } of earlier) {
    const cancelled = await cancelChange(tx, id, { actor: by.requestedBy, reason: null });
    if (cancelled?.kind === 'closed') closed.push(toChange(cancelled.row));
  }
  return closed;
}
