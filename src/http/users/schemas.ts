import { z } from '@hono/zod-openapi';

/** Why an address is free or taken. */
export const ADDRESS_REASONS = [
  'free',
  'open_registration',
  'registered',
  'unverified_sign_up',
  'foreign_user',
  'being_deleted',
] as const;
export const AddressReason = z.enum(ADDRESS_REASONS).openapi('AddressReason', {
  description: [
    '`free`: a registration of the address is accepted.',
    '`open_registration`: a registration is not closed yet.',
    '`registered`: Registrar registered the person.',
    '`unverified_sign_up`: somebody signed up and never proved the address; `replaceUnverified` replaces the account.',
    '`foreign_user`: the pool has a user that Registrar did not register.',
    '`being_deleted`: the account is being deleted.',
  ].join(' '),
});

const id = z.string().openapi({ format: 'uuid', example: '0198c2f4-6f0e-7a53-9a51-2f6f3f0d9b11' });
const at = z.string().openapi({ format: 'date-time', example: '2026-01-31T09:30:00.000Z' });
const email = z.string().openapi({ example: 'ada@example.com' });

export const UserSchema = z
  .object({
    userId: z.string().openapi({
      description: 'The sub of the user.',
      example: '5d1f0a52-3b8e-4c0c-8a43-0b6f5d3f7a10',
    }),
    email,
    emailVerified: z.boolean().openapi({
      description: 'Whether the address of the registration is verified.',
    }),
    username: z.string().nullable().openapi({ example: 'ada.lovelace' }),
    firstName: z.string().nullable().openapi({ example: 'Ada' }),
    lastName: z.string().nullable().openapi({ example: 'Lovelace' }),
    roles: z.array(z.string()).openapi({ example: ['researcher'] }),
    enabled: z.boolean(),
    status: z.string().openapi({
      description: 'The status of the account, as Cognito names it.',
      example: 'CONFIRMED',
    }),
    registrationId: id,
    createdAt: at,
  })
  .openapi('User');
export type User = z.infer<typeof UserSchema>;

export const UserList = z.object({ items: z.array(UserSchema).max(1) }).openapi('UserList');

export const AddressSchema = z
  .object({
    email,
    free: z.boolean().openapi({ example: false }),
    reason: AddressReason,
    registrationId: id.nullable().openapi({
      description: 'The registration that holds the address.',
    }),
    pool: z
      .object({
        exists: z.boolean(),
        registeredByUs: z.boolean().openapi({
          description: 'Whether the user has the ownership mark of a registration of Registrar.',
        }),
        enabled: z.boolean().nullable(),
        emailVerified: z.boolean().nullable(),
      })
      .nullable()
      .openapi({
        description:
          'The user of the address in the pool. Null if Cognito does not answer and is not needed for `reason`.',
      }),
    freeFrom: at.nullable().openapi({
      description: 'The earliest time at which the address becomes free, if it is known.',
    }),
    remedy: z.string().openapi({
      description: 'What an operator does to register the address.',
      example: 'Nothing: the person is registered.',
    }),
  })
  .openapi('Address');
export type Address = z.infer<typeof AddressSchema>;
