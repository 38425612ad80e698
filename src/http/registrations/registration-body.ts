import { z } from '@hono/zod-openapi';
import type { RegistrationRequest } from './registration-request.ts';
import type { AppDeps } from '../app-deps.ts';
import { email, MAX_NAME, password, roles, text, username } from '../request/fields.ts';

/** The body of POST /registrations. A password is taken where it can be sealed. */
export function newRegistration({
  attributes,
  secret,
  sealing,
}: Pick<AppDeps, 'attributes' | 'secret' | 'sealing'>) {
  return z
    .strictObject({
      email,
      roles,
      username: username.nullish(),
      firstName: text(1, MAX_NAME).nullish(),
      lastName: text(1, MAX_NAME).nullish(),
      attributes: attributesOf(attributes),
      emailVerified: z.boolean().optional().openapi({
        description:
          'Whether the address counts as proved: by default where no password is sent. `true` with a password needs the grant `*`.',
      }),
      password: password(secret)
        .nullish()
        .refine((chosen) => sealing || chosen == null, {
          error: 'This deployment takes no passwords.',
          params: { code: 'not_accepted' },
        })
        .openapi({ type: sealing ? ['string', 'null'] : 'null' }),
      invite: z.boolean().optional().openapi({
        description:
          'Whether an invitation with a temporary password is sent on completion: by default where no password is sent, and never with one.',
      }),
    })
    .refine((body) => body.password == null || body.invite !== true, {
      path: ['invite'],
      error: 'Whoever has chosen a password is not invited.',
      params: { code: 'not_accepted' },
    })
    .openapi('NewRegistration', {
      example: {
        email: 'ada@example.com',
        roles: ['researcher'],
        firstName: 'Ada',
        lastName: 'Lovelace',
      },
      // What the refinement refuses.
      not: {
        properties: { password: { type: 'string' }, invite: { type: 'boolean', enum: [true] } },
        required: ['password', 'invite'],
      },
    });
}

export function toWanted(body: z.infer<ReturnType<typeof newRegistration>>): RegistrationRequest {
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
    emailVerified: body.emailVerified ?? body.password == null,
    invite: body.invite ?? body.password == null,
    password: body.password ?? null,
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
