import { z } from '@hono/zod-openapi';
import { emailHash } from '../../secrets/email-hash.ts';
import { recordAccountEvents } from '../../ledger/registrations/account-events.ts';
import { json } from '../problems/answers.ts';
import type { AppDeps } from '../app-deps.ts';
import { doorErrors } from '../public-form/answers.ts';
import { readDoorBody } from '../public-form/body.ts';
import { DoorError } from '../public-form/error.ts';
import { password, sent } from '../public-form/fields.ts';
import { BEARER, mountPlain, type Api } from '../openapi/mount.ts';
import { accountOf, nameOf } from './account.ts';
import { permittedPerson, discard, isWithheld } from './admission.ts';
import { answerSignIn, mountChallenge, SIGN_IN_RESPONSES } from './challenge.ts';
import { mountChangePassword } from './change-password.ts';
import { waitForEvenTime } from './even-time.ts';
import { mountDeleteProfile } from './delete-profile.ts';
import { mountProfile } from './profile.ts';
import { bodyOf, PUBLIC, TAGS, WITH_BODY } from './session-operations.ts';
import { showTokens, TokensSchema } from './signed-in.ts';
import { mountVerifyEmail } from './verify-email.ts';

const WRONG_PAIR = 'Incorrect username or password';
const DEAD_TOKEN = 'Invalid or expired refresh token';

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

/** The `session` door: sign-in, refresh, profile and sign-out on the pool's own sessions. */
export function mountSessionDoor(api: Api, deps: AppDeps): void {
  const { sessions } = deps;
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
      const begun = performance.now();
      const refuse = async (): Promise<never> => {
        await waitForEvenTime(begun);
        throw new DoorError(401, WRONG_PAIR);
      };
      const body = await readDoorBody(c, credentials);
      const name = nameOf(body.username);
      c.set('emailHash', emailHash(name));
      const address = deps.clientAddress(c);
      await deps.limits.sessionCall(address);
      const account = await accountOf(deps, name);
      const giveBack = await deps.limits.passwordCheck(address, account.countedAs);
      const signIn = await sessions.signIn(account.poolName, body.password);
      if (signIn.kind === 'refused') return await refuse();
      // The count stays as for a wrong password: a prober must not learn that the account is their own.
      const isMailed =
        signIn.kind === 'challenge' && signIn.challenge.name === 'NEW_PASSWORD_REQUIRED';
      if (isWithheld(deps, account.row) && !isMailed) {
        if (signIn.kind === 'signed_in') deps.afterwards(() => discard(deps, signIn.tokens));
        return await refuse();
      }
      const answer = await answerSignIn(deps, c, account, signIn);
      if (!answer) return await refuse();
      await giveBack();
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
      const tokens = await sessions.refresh(body.refresh_token);
      if (!tokens) throw new DoorError(401, DEAD_TOKEN);
      // A session from before the address had to be proved.
      if (deps.signupVerification === 'required' && !(await permittedPerson(deps, tokens))) {
        deps.afterwards(() => sessions.revoke(tokens.refreshToken));
        throw new DoorError(401, DEAD_TOKEN);
      }
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
      const ended = await sessions.signOut(c.var.accessToken, body.refresh_token);
      if (ended === 'everywhere') {
        const { id } = c.var.caller;
        await recordAccountEvents(deps.db, id, id, ['user.signed_out_everywhere']);
      }
      return c.body(null, 204);
    },
  );
}
