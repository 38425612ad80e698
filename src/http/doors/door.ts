import { z } from '@hono/zod-openapi';
import type { FailureCode } from '../../domain/failure.ts';
import type { Door } from '../../domain/registration.ts';
import type { RegistrationRequest } from '../registrations/registration-request.ts';
import { json } from '../problems/answers.ts';
import { idempotencyKey } from '../request/idempotency-key.ts';

/** Shared by the two admin doors. */

export const DOOR_WAIT_SECONDS = 10;

export const doorHeaders = z.object({ 'Idempotency-Key': idempotencyKey });

export const doorProblems: readonly FailureCode[] = [
  'forbidden',
  'role_not_grantable',
  'unknown_role',
  'email_taken',
  'idempotency_key_reused',
  'registration_failed',
  'registration_rejected',
  'registration_cancelled',
  'manual_cleanup_required',
  'identity_provider_refused',
  'user_vanished',
  'terminated',
];

export function doorAnswer(schema: z.ZodType, description: string) {
  return json(schema, description, {
    Location: 'URL of the registration.',
    'Idempotent-Replayed': '`true` if the Idempotency-Key was used before.',
  });
}

export function doorWanted(
  door: Door,
  email: string,
  roles: readonly string[],
  rolesSent: readonly string[],
): RegistrationRequest {
  return {
    door,
    email,
    username: null,
    firstName: null,
    lastName: null,
    attributes: {},
    emailVerified: true,
    invite: true,
    password: null,
    roles,
    rolesSent,
  };
}
