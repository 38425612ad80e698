import { z } from '@hono/zod-openapi';
import { json } from '../problems/answers.ts';
import type { AppDeps } from '../app-deps.ts';
import { doorErrors } from '../public-form/answers.ts';
import { readDoorBody } from '../public-form/body.ts';
import { DoorError } from '../public-form/error.ts';
import { sent } from '../public-form/fields.ts';
import { BEARER, mountPlain, type Api } from '../openapi/mount.ts';
import { answerOutcome, mountChallenge, SIGN_IN_RESPONSES } from './challenge.ts';
import { mountChangePassword } from './change-password.ts';
import { mountDeleteProfile } from './delete-profile.ts';
import { mountProfile } from './profile.ts';
import { bodyOf, PUBLIC, TAGS, WITH_BODY } from './session-operations.ts';
import { credentialsOf, refreshTokens, signInWithPassword, signOut } from './sign-in.ts';
import { showTokens, TokensSchema } from './signed-in.ts';
import { mountVerifyEmail } from './verify-email.ts';

const WRONG_PAIR = 'Incorrect username or password';
const DEAD_TOKEN = 'Invalid or expired refresh token';

const refreshToken = z
  .object({ refresh_token: sent(16_384) })
  .openapi('RefreshToken', { example: { refresh_token: 'eyJjdHkiOiJ…' } });

/** The `session` door: sign-in, refresh, profile and sign-out on the pool's own sessions. */
export function mountSessionDoor(api: Api, deps: AppDeps): void {
  const credentials = credentialsOf(deps);
  mountChallenge(api, deps);
  mountVerifyEmail(api, deps);
  mountProfile(api, deps);
  mountDeleteProfile(api, deps);
  mountChangePassword(api, deps);

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
        'A wrong password, an unknown username, a disabled user and, with `SIGNUP_VERIFICATION=required`, an unproved address get the same response. `challenge_required` is returned only if the password is correct; `POST /auth/challenge` answers it.',
      request: bodyOf(credentials),
      responses: {
        ...SIGN_IN_RESPONSES,
        ...doorErrors({ 401: [WRONG_PAIR] }, PUBLIC),
      },
    },
    async (c) => {
      const body = await readDoorBody(c, credentials);
      const answer = answerOutcome(c, await signInWithPassword(deps, c, body));
      if (!answer) throw new DoorError(401, WRONG_PAIR);
      return answer;
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
      const tokens = await refreshTokens(deps, body.refresh_token);
      if (!tokens) throw new DoorError(401, DEAD_TOKEN);
      return c.json(showTokens(tokens), 200);
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
        'The refresh token becomes invalid at once, and `/profile` refuses the access token. Other routes refuse it at the latest when it expires, and within 5 s if the sign-out ended every session.',
      security: BEARER,
      request: bodyOf(refreshToken),
      responses: {
        204: { description: 'Signed out.' },
        ...doorErrors({}, ['unauthenticated', ...WITH_BODY]),
      },
    },
    async (c) => {
      const body = await readDoorBody(c, refreshToken);
      const { accessToken, caller } = c.var;
      await signOut(deps, caller.id, { accessToken, refreshToken: body.refresh_token });
      return c.body(null, 204);
    },
  );
}
