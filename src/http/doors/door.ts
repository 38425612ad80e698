import { z } from '@hono/zod-openapi';
import type { Door, Registration } from '../../domain/registration.ts';
import type { RegistrationRequest } from '../registrations/registration-request.ts';
import { json } from '../problems/answers.ts';
import type { Context } from 'hono';
import type { AppDeps, AppEnv } from '../app-deps.ts';
import { acceptForCaller } from '../registrations/accept-for-caller.ts';
import { waitUntilSettled } from '../registrations/wait.ts';
import { idempotencyKey, idempotencyKeyOf } from '../request/idempotency-key.ts';

/** Shared by the two admin doors. */

export const DOOR_WAIT_SECONDS = 10;

export const doorHeaders = z.object({ 'Idempotency-Key': idempotencyKey });

export function doorAnswer(schema: z.ZodType, description: string) {
  return json(schema, description, {
    Location: 'URL of the registration.',
    'Idempotent-Replayed': '`true` if the Idempotency-Key was used before.',
  });
}

/** Accepts the request and waits as long as these doors wait.
 * @returns its row; also one that failed */
export async function acceptAndWait(
  deps: AppDeps,
  c: Context<AppEnv>,
  wanted: RegistrationRequest,
): Promise<Registration> {
  const accepted = await acceptForCaller(deps, c, idempotencyKeyOf(c), wanted);
  if (accepted.replayed) c.header('Idempotent-Replayed', 'true');
  const client = c.req.raw.signal;
  return await waitUntilSettled(deps, accepted.registration, DOOR_WAIT_SECONDS, client);
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
