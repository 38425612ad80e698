import { createHash, randomUUID } from 'node:crypto';
import { eq, sql } from 'drizzle-orm';
import type { Database, Transaction } from '../../db/client.ts';
import { runPrepared } from '../../db/prepared.ts';
import { HOLDS_KEY, registrations } from '../../db/schema.ts';
import { isUnverifiedSignUp, type Registration } from '../../domain/registration.ts';
import { WAITING } from '../../domain/step.ts';
import { appendAuditEvent, type NewAuditEvent } from '../audit/audit-trail.ts';
import { atEdge } from '../database-error.ts';
import { findLiving, hasEmail, hasUsername } from './living.ts';
import { passAddressOn } from './replacement.ts';
import { findRowByKey, type RequestKey } from '../work/keys.ts';
import { REGISTRATION_WORK, registrationOf, ROW, toRegistration } from './row.ts';
import { requestRetry } from './instructions.ts';

/** A parsed, normalised request; `id` is the caller's choice, so that a repeated commit is the same row. */
export interface AcceptInput extends Pick<
  Registration,
  | 'id'
  | 'username'
  | 'firstName'
  | 'lastName'
  | 'attributes'
  | 'emailVerified'
  | 'invite'
  | 'roles'
  | 'requestedBy'
  | 'door'
  | 'idempotencyKey'
> {
  readonly email: string;
  /** Within what an idempotency key is unique: the caller, or door and e-mail at public doors. */
  readonly keyScope: string;
  readonly requestHash: string;
  /** As src/secrets/sealing.ts makes it for this id; null: nobody chose a password. */
  readonly sealedPassword: Uint8Array | null;
  /** Only of a sign-up without disclosure. */
  readonly mailsCode?: boolean;
  /** Whether it may take the address of an unverified sign-up, whose account is deleted then. */
  readonly replaceUnverified?: boolean;
}

export type AcceptResult =
  | { readonly kind: 'accepted'; readonly registration: Registration }
  | { readonly kind: 'replayed'; readonly registration: Registration }
  | { readonly kind: 'key_reused'; readonly registration: Registration }
  /** The caller's own parked run for the same e-mail and roles: running again. */
  | { readonly kind: 'resumed'; readonly registration: Registration }
  | { readonly kind: 'email_taken'; readonly holder: Registration }
  /** An unverified sign-up holds the address; it may be replaced. */
  | { readonly kind: 'email_unverified'; readonly holder: Registration }
  | { readonly kind: 'username_taken'; readonly holder: Registration };

/** The hash by which two bodies count as the same: SHA-256 over JSON with sorted keys, hex. */
export function requestHashOf(body: unknown): string {
  return createHash('sha256').update(canonicalJson(body)).digest('hex');
}

/** The registration that holds a key, if one does. */
export async function findByKey(
  db: Database | Transaction,
  key: RequestKey,
): Promise<{ registration: Registration; requestHash: string | null } | null> {
  const row = await findRowByKey(db, REGISTRATION_WORK, key, HOLDS_KEY);
  return row && { registration: toRegistration(row), requestHash: row.requestHash };
}

/**
 * The transaction of step 1: the row, unique over living rows, and `registration.requested`.
 * After it commits the registration cannot be lost.
 * @throws DatabaseError
 */
export async function accept(db: Database, input: AcceptInput): Promise<AcceptResult> {
  // A holder may close between the insert that met it and the read that looks for it: then the
  // address is free and the insert is tried again. Twice is a coincidence, five times a bug.
  for (let attempt = 0; attempt < 5; attempt += 1) {
    const inserted = await insert(db, input);
    if (inserted) return { kind: 'accepted', registration: inserted };
    const conflict = await conflictOf(db, input);
    if (conflict) return conflict;
  }
  throw new Error('accept: the conflicting row disappeared in each of five attempts');
}

/** All processes share PostgreSQL's clock. */
export const NOW = sql`clock_timestamp()`;

export function acceptedRow(input: AcceptInput) {
  return {
    ...input,
    attributes: { ...input.attributes },
    roles: [...input.roles],
    status: 'accepted' as const,
    acceptedAt: NOW,
    sweptAt: NOW,
    sealedAt: input.sealedPassword && NOW,
    steps: input.sealedPassword ? { setPassword: WAITING } : {},
  };
}

export function requestedEvent(input: AcceptInput): NewAuditEvent {
  return {
    event: 'registration.requested',
    registrationId: input.id,
    actor: input.requestedBy,
    details: { door: input.door, roles: input.roles },
  };
}

/** null where another row holds the address, the username or the key: also the row of this id, when
 * the reply to its COMMIT was lost. A conflict is no error: PostgreSQL would log its values. */
async function insert(db: Database, input: AcceptInput): Promise<Registration | null> {
  const { event, actor, details } = requestedEvent(input);
  const [raw] = await atEdge(() =>
    runPrepared(db, ACCEPT, [
      input.id,
      input.email,
      input.username,
      input.firstName,
      input.lastName,
      JSON.stringify(input.attributes),
      input.emailVerified,
      input.invite,
      JSON.stringify(input.roles),
      input.requestedBy,
      input.door,
      input.keyScope,
      input.idempotencyKey,
      input.requestHash,
      input.sealedPassword,
      JSON.stringify(acceptedRow(input).steps),
      randomUUID(),
      event,
      actor,
      JSON.stringify(details),
    ]),
  );
  return raw ? registrationOf(raw) : null;
}

/** Row and audit event in one statement, and so in one commit. */
const ACCEPT = `
  WITH accepted AS (
    INSERT INTO registrations (id, email, username, first_name, last_name, attributes, email_verified,
      invite, roles, requested_by, door, key_scope, idempotency_key, request_hash, sealed_password,
      steps, status, accepted_at, swept_at, sealed_at)
    VALUES ($1::uuid, $2::text, $3::text, $4::text, $5::text, $6::jsonb, $7::boolean,
      $8::boolean, ARRAY(SELECT jsonb_array_elements_text($9::jsonb)), $10::text, $11::text, $12::text,
      $13::text, $14::text, $15::bytea,
      $16::jsonb, 'accepted', clock_timestamp(), clock_timestamp(),
      CASE WHEN $15::bytea IS NULL THEN NULL ELSE clock_timestamp() END)
    ON CONFLICT DO NOTHING
    RETURNING *, clock_timestamp() AS read_at
  ), requested AS (
    INSERT INTO audit_events (id, event, registration_id, actor, details)
    SELECT $17::uuid, $18::text, accepted.id, $19::text, $20::jsonb FROM accepted
  )
  SELECT * FROM accepted`;

async function conflictOf(db: Database, input: AcceptInput): Promise<AcceptResult | null> {
  const [same] = await atEdge(() =>
    db.select(ROW).from(registrations).where(eq(registrations.id, input.id)),
  );
  if (same) return { kind: 'accepted', registration: toRegistration(same) };
  if (input.idempotencyKey !== null) {
    const held = await findByKey(db, {
      keyScope: input.keyScope,
      idempotencyKey: input.idempotencyKey,
    });
    if (held) {
      const kind = held.requestHash === input.requestHash ? 'replayed' : 'key_reused';
      return { kind, registration: held.registration };
    }
  }
  const byEmail = await findLiving(db, hasEmail(input.email));
  if (byEmail) {
    const resumed = await resumeOwn(db, input, byEmail);
    if (resumed) return resumed;
    if (!mayReplace(input, byEmail)) return { kind: 'email_taken', holder: byEmail };
    return input.replaceUnverified
      ? await acceptReplacing(db, input, byEmail.id)
      : { kind: 'email_unverified', holder: byEmail };
  }
  return await usernameConflict(db, input);
}

async function usernameConflict(
  db: Database | Transaction,
  { username }: AcceptInput,
): Promise<AcceptResult | null> {
  const holder = username === null ? null : await findLiving(db, hasUsername(username));
  return holder && { kind: 'username_taken', holder };
}

/** At a public door nobody takes an address from anybody. */
function mayReplace(input: AcceptInput, holder: Registration): boolean {
  const isAdministrators = input.keyScope === input.requestedBy;
  return isAdministrators && holder.status === 'completed' && isUnverifiedSignUp(holder);
}

/**
 * Accepts a registration and takes the address from the sign-up that holds it, in one transaction. Its
 * row keeps the username until its account is gone.
 * @returns null where it has changed since: nothing was written
 */
async function acceptReplacing(
  db: Database,
  input: AcceptInput,
  replaces: string,
): Promise<AcceptResult | null> {
  const { replaceUnverified: _permitted, ...rest } = input;
  const values = { ...acceptedRow(rest), replaces, replacement: 'requested' as const };
  let conflict: AcceptResult | null = null;
  try {
    return await atEdge(() =>
      db.transaction(async (tx) => {
        const passed = await passAddressOn(tx, replaces, input.id);
        const [row] = passed
          ? await tx.insert(registrations).values(values).onConflictDoNothing().returning(ROW)
          : [];
        if (!row) {
          conflict = passed ? await usernameConflict(tx, input) : null;
          throw new NothingAccepted();
        }
        const { details, ...event } = requestedEvent(input);
        await appendAuditEvent(tx, { ...event, details: { ...details, replaces } });
        return { kind: 'accepted', registration: toRegistration(row) } as const;
      }),
    );
  } catch (error) {
    if (error instanceof NothingAccepted) return conflict;
    throw error;
  }
}

/** Rolls the transaction back: the address stays where it was. */
class NothingAccepted extends Error {
  override readonly name = 'NothingAccepted';
}

async function resumeOwn(
  db: Database,
  input: AcceptInput,
  holder: Registration,
): Promise<AcceptResult | null> {
  const own =
    // At a public door nobody can be known again.
    input.keyScope === input.requestedBy &&
    input.idempotencyKey === null &&
    holder.status === 'roles_pending' &&
    holder.requestedBy === input.requestedBy &&
    sameRoles(holder.roles, input.roles);
  if (!own) return null;
  const requested = await requestRetry(db, holder.id, { actor: input.requestedBy, reason: null });
  return requested.kind === 'done'
    ? { kind: 'resumed', registration: requested.registration }
    : null;
}

function sameRoles(left: readonly string[], right: readonly string[]): boolean {
  const wanted = new Set(right);
  return left.length === wanted.size && left.every((role) => wanted.has(role));
}

function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value)
      .filter(([, entry]) => entry !== undefined)
      .toSorted(([a], [b]) => (a < b ? -1 : 1));
    return `{${entries.map(([key, entry]) => `${JSON.stringify(key)}:${canonicalJson(entry)}`).join(',')}}`;
  }
  return JSON.stringify(value) ?? 'null';
}
