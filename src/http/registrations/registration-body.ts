import { z } from '@hono/zod-openapi';
import type { RegistrationRequest } from './registration-request.ts';
import type { AppDeps } from '../app-deps.ts';
import { chosenPassword, email, MAX_NAME, roles, text, username } from '../request/fields.ts';

/** The body of POST /registrations. A password is taken where it can be sealed. */
export function newRegistration({ attributes, sealing }: Pick<AppDeps, 'attributes' | 'sealing'>) {
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
          'Whether the address is marked as verified. Defaults to true without a password, otherwise to false. `true` with a password requires the grant `*`.',
      }),
      password: chosenPassword()
        .nullish()
        .refine((chosen) => sealing || chosen == null, {
          error: 'This deployment does not accept passwords.',
          params: { code: 'not_accepted' },
        })
        .openapi({ type: sealing ? ['string', 'null'] : 'null' }),
      invite: z.boolean().optional().openapi({
        description:
          'Whether to send an invitation with a temporary password on completion. Defaults to true without a password. Must not be true with a password.',
      }),
      replaceUnverified: z.boolean().optional().openapi({
        description:
          'Whether to delete the account of somebody who signed up with this address and never proved it, and go on. Defaults to false: then such an address is refused with `email_unverified`.',
      }),
    })
    .refine((body) => body.password == null || body.invite !== true, {
      path: ['invite'],
      error: 'Must not be true when a password is sent.',
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

export function toWanted(
  { secret, passwordPolicy }: Pick<AppDeps, 'secret' | 'passwordPolicy'>,
  { password, ...body }: z.infer<ReturnType<typeof newRegistration>>,
): RegistrationRequest {
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
    emailVerified: body.emailVerified ?? password == null,
    invite: body.invite ?? password == null,
    password: password == null ? null : secret(password),
    passwordFault: password == null ? null : passwordPolicy.guessableFaultOf(password, body),
    ...(body.replaceUnverified && { replaceUnverified: true }),
    roles: [...new Set(body.roles)],
    rolesSent: body.roles,
  };
}

function attributesOf(names: readonly string[]) {
  return z
    .strictObject(Object.fromEntries(names.map((name) => [name, text(1, 2048).optional()])))
    .default({})
    .openapi({
      description:
        'Attributes of the user pool, by name. COGNITO_ATTRIBUTES configures which are allowed.',
    });
}
