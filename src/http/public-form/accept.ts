import { z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { FAILURES } from '../../domain/failure.ts';
import type { Door, Registration } from '../../domain/registration.ts';
import type { AcceptInput } from '../../ledger/registrations/accept.ts';
import { acceptOrRelease } from '../registrations/registration-request.ts';
import type { AppDeps } from '../app-deps.ts';
import { DoorError, type FieldError } from './error.ts';
import { idempotencyKey, VISIBLE_ASCII } from '../request/idempotency-key.ts';

/** Shared by the sign-up and seeding doors, which accept requests without a token. */

export const EMAIL_EXISTS = 'Email already exists';
export const USERNAME_EXISTS = 'Username already exists';

export const publicHeaders = z.object({ 'Idempotency-Key': idempotencyKey });

/** The Idempotency-Key of a request, and its scope: door and address. @throws DoorError */
export function publicScope(c: Context, door: Door, email: string) {
  const key = c.req.header('idempotency-key') ?? null;
  if (key !== null && !VISIBLE_ASCII.test(key)) {
    const pattern = VISIBLE_ASCII.source;
    const msg = `String should match pattern '${pattern}'`;
    throw refusedKey({ type: 'string_pattern_mismatch', msg, ctx: { pattern } });
  }
  return { requestedBy: `door:${door}`, keyScope: `${door}:${email}`, idempotencyKey: key };
}

export function reusedKey(): DoorError {
  const { code, publicText } = FAILURES.idempotency_key_reused;
  return refusedKey({ type: code, msg: publicText });
}

function refusedKey(why: Omit<FieldError, 'loc'>): DoorError {
  return new DoorError(422, [{ ...why, loc: ['header', 'idempotency-key'] }]);
}

type Rejection = 'registration_rejected' | 'profile_rejected';

export function isRejection(code: string | undefined): code is Rejection {
  return code === 'registration_rejected' || code === 'profile_rejected';
}

/** The pool, or the profile service, rejected a value and does not say which one. */
export function rejectedValue(rejection: Rejection): DoorError {
  const { code, publicText } = FAILURES[rejection];
  return new DoorError(422, [{ type: code, loc: ['body'], msg: publicText }]);
}

/** Accepts a registration and starts its run.
 * @param takenStatus the status of this door for a taken address or username
 * @throws DoorError, ProviderUnavailable, DatabaseError */
export async function acceptAnybody(
  deps: AppDeps,
  input: AcceptInput,
  takenStatus: 400 | 409,
): Promise<{ registration: Registration; replayed: boolean }> {
  const result = await acceptOrRelease(deps, input);
  switch (result.kind) {
    case 'accepted':
      deps.runs.startSoon(result.registration.id);
      return { registration: result.registration, replayed: false };
    case 'replayed':
      return { registration: result.registration, replayed: true };
    case 'key_reused':
      throw reusedKey();
    case 'email_taken':
    case 'email_unverified':
      throw new DoorError(takenStatus, EMAIL_EXISTS);
    case 'username_taken':
      throw new DoorError(takenStatus, USERNAME_EXISTS);
    case 'resumed':
      throw new Error('a public door must not resume a registration');
    default:
      return result satisfies never;
  }
}
