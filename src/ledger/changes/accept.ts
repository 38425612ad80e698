import type { Database, Transaction } from '../../db/client.ts';
import type { Change } from '../../domain/change.ts';
import type { Registration } from '../../domain/registration.ts';
import type { OnChangeStatusChanged } from './transitions.ts';

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

/**
 * Whether the change would take away the last administrator. It is called while the advisory lock of
 * administrators and the row of the person are held; see last-administrator.ts.
 */
export type RefusesChange = (tx: Transaction, registration: Registration) => Promise<boolean>;

export type AcceptChangeResult =
  | {
      readonly kind: 'accepted';
      readonly change: Change;
      /** How the person's run is to be woken: `interrupt` where earlier changes may have to stop. */
      readonly wake: 'accepted' | 'interrupt';
    }
  | { readonly kind: 'replayed'; readonly change: Change }
  | { readonly kind: 'key_reused'; readonly change: Change }
  /** The person has no completed registration that lives, or it is being replaced. */
  | { readonly kind: 'not_there' }
  | { readonly kind: 'last_administrator' };

/**
 * Accepts a change of a person: the row, `change.requested` and what it overtakes, in one transaction
 * that serialises everything accepted for this person. After it commits the change cannot be lost.
 * @throws DatabaseError
 */
export async function acceptChange(
  _db: Database,
  _input: AcceptChangeInput,
  _refuses: RefusesChange | null,
  _onStatusChanged?: OnChangeStatusChanged,
): Promise<AcceptChangeResult> {
  throw new Error('not written yet');
}

/** The change that holds a key, if one does; looked up before anything else is decided. */
export async function findChangeByKey(
  _db: Database | Transaction,
  _key: { readonly keyScope: string; readonly idempotencyKey: string },
): Promise<{ change: Change; requestHash: string | null } | null> {
  throw new Error('not written yet');
}
