import { randomUUID } from 'node:crypto';
import { z } from '@hono/zod-openapi';
import { TokenRejected } from '../access/tokens.ts';
import { emailHash } from '../../secrets/email-hash.ts';
import { normaliseEmail } from '../../domain/email.ts';
import type { FailureCode } from '../../domain/failure.ts';
import { findLiving, hasUsername } from '../../ledger/registrations/living.ts';
import { Problem } from '../problems/problem-details.ts';
import { json } from '../problems/answers.ts';
import type { AppDeps } from '../app-deps.ts';
import { doorErrors } from '../public-form/answers.ts';
import { readDoorBody } from '../public-form/body.ts';
import { DoorError } from '../public-form/error.ts';
import { password, sent } from '../public-form/fields.ts';
import { usernameFault } from '../request/fields.ts';
import { BEARER, mountPlain, type Api } from '../openapi/mount.ts';
import { PersonSchema, showPerson, showTokens, SignedInSchema, TokensSchema } from './signed-in.ts';

const WRONG_PAIR = 'Incorrect username or password';
const DEAD_TOKEN = 'Invalid or expired refresh token';
const TAGS = { tags: ['Door: session'] };
const EVERYWHERE: readonly FailureCode[] = ['unavailable', 'internal'];
const WITH_BODY: readonly FailureCode[] = ['payload_too_large', ...EVERYWHERE];
const PUBLIC: readonly FailureCode[] = ['rate_limited', ...WITH_BODY];

const credentialsOf = ({ secret }: Pick<AppDeps, 'secret'>) =>
  z
    .object({
      username: sent(320).openapi({ description: 'The username or the e-mail address.' }),
      password: password(secret),
    })
    .openapi('Credentials', { example: { username: 'ada@example.com', password: 'Analytical1' } });
const refreshToken = z
  .object({ refresh_token: sent(16_384) })
  .openapi('RefreshToken', { example: { refresh_token: 'eyJjdHkiOiJ…' } });

const bodyOf = (schema: z.ZodType) => ({
  body: { required: true, content: { 'application/json': { schema } } },
});

/** The `session` door: sign-in, refresh, profile and sign-out on the pool's own sessions. */
export function mountSessionDoor(api: Api, deps: AppDeps): void {
  const { sessions } = deps;
  const credentials = credentialsOf(deps);

  mountPlain(
    api,
    deps,
    {
      ...TAGS,
      method: 'post',
      path: '/auth/login',
      operationId: 'doorLogin',
      summary: 'Sign in',
      description:
        'A wrong password, an unknown username and a disabled user get the same response. `challenge_required` is returned only if the password is correct.',
      request: bodyOf(credentials),
      responses: {
        200: json(SignedInSchema, 'Signed in.'),
        ...doorErrors({ 401: [WRONG_PAIR] }, ['challenge_required', ...PUBLIC]),
      },
    },
    async (c) => {
      const body = await readDoorBody(c, credentials);
      const name = nameOf(body.username);
      c.set('emailHash', emailHash(name));
      const address = deps.clientAddress(c);
      await deps.limits.sessionCall(address);
      const account = await accountOf(deps, name);
      const giveBack = await deps.limits.passwordCheck(address, account.countedAs);
      const signIn = await sessions.signIn(account.poolName, body.password);
      if (signIn.kind !== 'refused') await giveBack();
      if (signIn.kind === 'challenge') throw new Problem('challenge_required');
      if (signIn.kind === 'refused') throw new DoorError(401, WRONG_PAIR);
      const person = await sessions.personOf(signIn.tokens.accessToken);
      // The user was disabled or deleted a moment ago.
      if (!person) throw new DoorError(401, WRONG_PAIR);
      return c.json({ ...showTokens(signIn.tokens), ...showPerson(person) }, 200);
    },
  );

  mountPlain(
    api,
    deps,
    {
      ...TAGS,
      method: 'post',
      path: '/auth/refresh',
      operationId: 'doorRefresh',
      summary: 'Get a new access token',
      description:
        'Each response contains a new refresh token. The token that was sent becomes invalid.',
      request: bodyOf(refreshToken),
      responses: {
        200: json(TokensSchema, 'A new access token.'),
        ...doorErrors({ 401: [DEAD_TOKEN] }, PUBLIC),
      },
    },
    async (c) => {
      const body = await readDoorBody(c, refreshToken);
      await deps.limits.sessionCall(deps.clientAddress(c));
      const tokens = await sessions.refresh(body.refresh_token);
      if (!tokens) throw new DoorError(401, DEAD_TOKEN);
      return c.json(showTokens(tokens), 200);
    },
  );

  mountPlain(
    api,
    deps,
    {
      ...TAGS,
      method: 'get',
      path: '/profile',
      operationId: 'doorProfile',
      summary: 'Read the profile of the signed-in user',
      description: 'Reads the user from Cognito. The token is refused immediately after sign-out.',
      security: BEARER,
      responses: {
        200: json(PersonSchema, 'The person.'),
        ...doorErrors({}, ['unauthenticated', ...EVERYWHERE], false),
      },
    },
    async (c) => {
      const person = await sessions.personOf(c.var.accessToken);
      if (!person) throw new TokenRejected('signed out');
      return c.json(showPerson(person), 200);
    },
  );

  mountPlain(
    api,
    deps,
    {
      ...TAGS,
      method: 'post',
      path: '/auth/logout',
      operationId: 'doorLogout',
      summary: 'Sign out',
      description:
        'The refresh token becomes invalid at once, and `/profile` refuses the access token. Other routes accept the access token until it expires.',
      security: BEARER,
      request: bodyOf(refreshToken),
      responses: {
        204: { description: 'Signed out.' },
        ...doorErrors({}, ['unauthenticated', ...WITH_BODY]),
      },
    },
    async (c) => {
      const body = await readDoorBody(c, refreshToken);
      await sessions.signOut(c.var.accessToken, body.refresh_token);
      return c.body(null, 204);
    },
  );
}

/** The normalised name for a sign-in; empty if no account can have it. */
export function nameOf(sentName: string): string {
  const username = usernameFault(sentName) === null ? sentName.trim() : '';
  return normaliseEmail(sentName) ?? username;
}

interface SignInAccount {
  /** The e-mail address for both names of an account, so that they share their count. */
  readonly countedAs: string;
  /** The username for the call to Cognito. */
  readonly poolName: string;
}

/** An unknown username is counted and sent to Cognito like a known one, so that neither the response
 * nor its time shows which accounts exist. */
export async function accountOf(deps: Pick<AppDeps, 'db'>, name: string): Promise<SignInAccount> {
  if (normaliseEmail(name) !== null) return { countedAs: name, poolName: name };
  const row = await findLiving(deps.db, hasUsername(name));
  return { countedAs: row?.email ?? name, poolName: row?.cognitoUsername ?? randomUUID() };
}
