import { z } from '@hono/zod-openapi';
import { pointerTo, Problem } from '../problem-details.ts';
import type { Wanted } from './admit.ts';
import { email, roles, text } from './fields.ts';

/** The body of POST /registrations. @param attributes names of pool attributes a caller may set */
export function newRegistration(attributes: readonly string[]) {
  return z
    .strictObject({
      email,
      roles,
      username: text(3, 50).nullish(),
      firstName: text(1, 50).nullish(),
      lastName: text(1, 50).nullish(),
      attributes: attributesOf(attributes),
      emailVerified: z.boolean().default(true),
      invite: z.boolean().default(true).openapi({
        description: 'Whether an invitation with a temporary password is sent on completion.',
      }),
    })
    .openapi('NewRegistration');
}

// A password arrives with the sign-up doors; until then whoever sends one must learn that it is not taken.
export function refusePassword(body: unknown): void {
  if (typeof body !== 'object' || body === null || !Object.hasOwn(body, 'password')) return;
  const detail = 'A password is not accepted at this route yet.';
  const place = { pointer: pointerTo('password'), code: 'not_accepted', detail };
  throw new Problem('invalid_request', { errors: [place] });
}

export function toWanted(body: z.infer<ReturnType<typeof newRegistration>>): Wanted {
  return {
    door: 'canonical',
    email: body.email,
    username: body.username ?? null,
    firstName: body.firstName ?? null,
    lastName: body.lastName ?? null,
    attributes: Object.fromEntries(
      Object.entries(body.attributes).filter(
        (entry): entry is [string, string] => entry[1] !== undefined,
      ),
    ),
    emailVerified: body.emailVerified,
    invite: body.invite,
    roles: [...new Set(body.roles)],
    rolesSent: body.roles,
  };
}

function attributesOf(names: readonly string[]) {
  return z
    .strictObject(Object.fromEntries(names.map((name) => [name, text(1, 2048).optional()])))
    .default({})
    .openapi({
      description: 'Pool attributes by name; which may be set is configured (COGNITO_ATTRIBUTES).',
    });
}
