import { z } from '@hono/zod-openapi';
import { FAILURES } from '../../domain/failure.ts';
import { normaliseEmail } from '../../domain/email.ts';
import type { Person } from '../../domain/session.ts';
import {
  forgetDelivery,
  forgetPasswordChanges,
  hastenSignOut,
  promiseSignOut,
} from '../../ledger/outbox/account-deliveries.ts';
import { recordAccountEvents } from '../../ledger/registrations/account-events.ts';
import type { Secret } from '../../secrets/secret.ts';
import { RateLimited } from '../access/limits.ts';
import { TokenRejected } from '../access/tokens.ts';
import type { AppDeps } from '../app-deps.ts';
import { BEARER, mountPlain, type Api } from '../openapi/mount.ts';
import { doorErrors } from '../public-form/answers.ts';
import { readDoorBody } from '../public-form/body.ts';
import { DoorError } from '../public-form/error.ts';
import { chosenPasswordText, password } from '../public-form/fields.ts';
import { discard } from './admission.ts';
import { answerSignIn, SIGN_IN_RESPONSES } from './challenge.ts';
import { bodyOf, PUBLIC, TAGS } from './session-operations.ts';

export const WRONG_PASSWORD = 'Current password is incorrect';
/** Longer than all calls of one request: until then the relay leaves the sessions to this process. */
const SIGN_OUT_HELD_SECONDS = 30;
const LIMITED_SECONDS = 3600;

const changeOf = ({ secret, passwordPolicy }: Pick<AppDeps, 'secret' | 'passwordPolicy'>) =>
  z
    .object({
      current_password: password(secret),
      new_password: chosenPasswordText().openapi({ description: passwordPolicy.description }),
      confirm_password: chosenPasswordText().nullish(),
    })
    .openapi('PasswordChange', {
      example: {
        current_password: 'Analytical1',
        new_password: 'Difference2',
        confirm_password: 'Difference2',
      },
    });

/** Changing one's own password, which ends every session and begins a new one. */
export function mountChangePassword(api: Api, deps: AppDeps): void {
  const schema = changeOf(deps);
  const { sessions, limits, passwordPolicy } = deps;
  mountPlain(
    api,
    deps,
    {
      ...TAGS,
      method: 'post',
      path: '/auth/change-password',
      operationId: 'doorChangePassword',
      summary: 'Change the password',
      description:
        'Ends every session and answers as sign-in. After a 503 repeat the request, or sign in with the new password.',
      security: BEARER,
      request: bodyOf(schema),
      responses: {
        ...SIGN_IN_RESPONSES,
        ...doorErrors(
          {
            400: [...passwordPolicy.faults, WRONG_PASSWORD, FAILURES.password_rejected.publicText],
          },
          ['unauthenticated', ...PUBLIC],
        ),
      },
    },
    async (c) => {
      const body = await readDoorBody(c, schema);
      const address = deps.clientAddress(c);
      await limits.sessionCall(address);
      const { accessToken } = c.var;
      const person = await sessions.personOf(accessToken);
      if (!person) throw new TokenRejected('signed out');
      const fault = passwordPolicy.faultOf(
        body.new_password,
        body.confirm_password ?? null,
        person,
      );
      if (fault !== null) throw new DoorError(400, fault);
      await limits.accountCall('password_change', address, person.userId);
      const account = { countedAs: normaliseEmail(person.email) ?? person.userId };
      const giveBack = await limits.passwordCheck(address, account.countedAs);

      const next = deps.secret(body.new_password);
      await changeAndSignOut(deps, person, accessToken, body.current_password, next);
      await giveBack();
      const signIn = await sessions.signIn(person.userId, next);
      const answer =
        signIn.kind === 'refused' ? null : await answerSignIn(deps, c, account, signIn);
      // The account was disabled a moment ago.
      if (!answer) throw new TokenRejected('signed out');
      return answer;
    },
  );
}

/**
 * Changes the password and ends every session. Both are promised before the change: of a process that
 * dies, or gets no reply, the relay records the change and ends the sessions.
 * @throws DoorError, RateLimited and TokenRejected where nothing has changed
 */
async function changeAndSignOut(
  deps: AppDeps,
  { userId }: Person,
  accessToken: string,
  current: Secret,
  next: Secret,
): Promise<void> {
  const { db, sessions } = deps;
  const promise = await promiseSignOut(db, userId, SIGN_OUT_HELD_SECONDS, 'password_change');
  const about = { key: promise };
  const outcome = await sessions.changePassword(accessToken, current, next);
  const changed = outcome === 'changed' || (outcome === 'wrong_password' && (await isSet()));
  if (!changed) {
    await forgetDelivery(db, promise);
    if (outcome === 'limited') throw new RateLimited(LIMITED_SECONDS);
    if ((await sessions.personOf(accessToken)) === null) throw new TokenRejected('signed out');
    const isWrong = outcome === 'wrong_password';
    throw new DoorError(400, isWrong ? WRONG_PASSWORD : FAILURES.password_rejected.publicText);
  }
  await recordAccountEvents(db, userId, userId, ['user.password_changed'], about);
  if (!(await sessions.endSessions(accessToken))) {
    // Its own session is over, and so the relay has to end the others.
    await hastenSignOut(db, promise);
    throw new TokenRejected('signed out');
  }
  await recordAccountEvents(db, userId, userId, ['user.signed_out_everywhere'], about);
  await forgetPasswordChanges(db, promise);

  /** An earlier request may have set it, and its response was lost. */
  async function isSet(): Promise<boolean> {
    const signIn = await sessions.signIn(userId, next);
    if (signIn.kind === 'signed_in') deps.afterwards(() => discard(deps, signIn.tokens));
    return signIn.kind !== 'refused';
  }
}
