import { z } from '@hono/zod-openapi';
import type { Person, Tokens } from '../../domain/session.ts';

const token = (example: string) => z.string().openapi({ example });

const tokenFields = {
  access_token: token('eyJraWQiOiJ…'),
  refresh_token: token('eyJjdHkiOiJ…'),
  token_type: z.literal('bearer'),
  expires_at: z
    .string()
    .openapi({ format: 'date-time', description: 'Expiry time of the access token, in UTC.' })
    .openapi({ example: '2026-01-31T10:00:00.000Z' }),
};
const personFields = {
  user_id: z.string().openapi({ description: 'The sub of the user.' }),
  username: z.string().nullable(),
  email: z.string(),
  first_name: z.string().nullable(),
  last_name: z.string().nullable(),
  is_active: z.literal(true),
  is_verified: z.boolean(),
};

export const TokensSchema = z.object(tokenFields).openapi('Tokens');
export const PersonSchema = z.object(personFields).openapi('Person');
export const SignedInSchema = z.object({ ...tokenFields, ...personFields }).openapi('SignedIn');

export function showTokens(tokens: Tokens): z.infer<typeof TokensSchema> {
  return {
    access_token: tokens.accessToken,
    refresh_token: tokens.refreshToken,
    token_type: 'bearer',
    expires_at: tokens.expiresAt.toISOString(),
  };
}

/** A signed-in user is always active: Cognito refuses sessions to disabled users. */
export function showPerson(person: Person): z.infer<typeof PersonSchema> {
  return {
    user_id: person.userId,
    username: person.username,
    email: person.email,
    first_name: person.firstName,
    last_name: person.lastName,
    is_active: true,
    is_verified: person.emailVerified,
  };
}
