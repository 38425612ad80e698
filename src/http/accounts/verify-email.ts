import { z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { TokenRejected } from '../access/tokens.ts';
import { emailHash } from '../../secrets/email-hash.ts';
import type { AppDeps, AppEnv } from '../app-deps.ts';
import { BEARER_OR_BODY, mountPlain, type Api } from '../openapi/mount.ts';
import { json } from '../problems/answers.ts';
import { doorErrors } from '../public-form/answers.ts';
import { readDoorBody } from '../public-form/body.ts';
import { DoorError } from '../public-form/error.ts';
import { password, sent } from '../public-form/fields.ts';
import { accountOf, nameOf } from './account.ts';
import { discard } from './admission.ts';
import { answerSignIn, SIGN_IN_RESPONSES } from './challenge.ts';
import { waitForEvenTime } from './even-time.ts';
import { mailVerificationCode, proveWithCode } from './prove-address.ts';
import { bodyOf, PUBLIC, TAGS } from './session-operations.ts';
import { PersonSchema, showPerson, SignedInSchema } from './signed-in.ts';

export const WRONG_CODE = 'Invalid or expired code';
const MESSAGE = 'If the address is not verified yet, a code is on its way.';
const RequestedSchema = z
  .object({ message: z.string() })
  .openapi('VerificationRequested', { example: { message: MESSAGE } });

const pair = ({ secret }: Pick<AppDeps, 'secret'>) => ({
  username: sent(320),
  password: password(secret),
});
const code = sent(256).openapi({ example: '123456' });

/** Proving an address with a code, by people who are signed in or send their password. */
export function mountVerifyEmail(api: Api, deps: AppDeps): void {
  const byPair = z.object(pair(deps)).openapi('VerificationRequest', {
    example: { username: 'ada@example.com', password: 'Analytical1' },
  });
  const withCode = z.object({ code }).openapi('VerificationCode');
  const withPair = z.object({ ...pair(deps), code }).openapi('VerificationByPair', {
    example: { username: 'ada@example.com', password: 'Analytical1', code: '123456' },
  });

  mountPlain(
    api,
    deps,
    {
      ...TAGS,
      method: 'post',
      path: '/auth/verify-email/request',
      operationId: 'doorRequestVerification',
      summary: 'Request a code that proves the e-mail address',
      description:
        'With a bearer token the body is not read. The response is always the same; a code is mailed if the pair is right and the address is not proved. The code is requested after the response: if none arrives, ask again.',
      security: BEARER_OR_BODY,
      request: { body: { ...bodyOf(byPair).body, required: false } },
      responses: {
        202: json(RequestedSchema, 'Requested.'),
        ...doorErrors({}, ['unauthenticated', ...PUBLIC]),
      },
    },
    async (c) => {
      if (isSignedIn(c)) {
        const { accessToken, caller } = c.var;
        await count(deps, c, 'code_request', caller.id);
        deps.afterwards(() => mailVerificationCode(deps, accessToken));
      } else {
        const body = await readDoorBody(c, byPair);
        const { account, name } = await countedAccount(deps, c, 'code_request', body.username);
        c.set('emailHash', emailHash(name));
        deps.afterwards(async () => {
          const signIn = await deps.sessions.signIn(account.poolName, body.password);
          if (signIn.kind !== 'signed_in') return;
          await mailVerificationCode(deps, signIn.tokens.accessToken);
          await deps.sessions.revoke(signIn.tokens.refreshToken);
        });
      }
      return c.json({ message: MESSAGE }, 202);
    },
  );

  mountPlain(
    api,
    deps,
    {
      ...TAGS,
      method: 'post',
      path: '/auth/verify-email',
      operationId: 'doorVerifyEmail',
      summary: 'Prove the e-mail address with a code',
      description:
        'With a bearer token the response is the profile. With username and password it is as for sign-in, and a wrong password gets the response of a wrong code.',
      security: BEARER_OR_BODY,
      request: bodyOf(z.union([withPair, withCode])),
      responses: {
        ...SIGN_IN_RESPONSES,
        200: json(z.union([SignedInSchema, PersonSchema]), 'The address is proved.'),
        ...doorErrors({ 400: [WRONG_CODE] }, ['unauthenticated', ...PUBLIC]),
      },
    },
    async (c) => {
      const begun = performance.now();
      const refuse = async (): Promise<never> => {
        await waitForEvenTime(begun);
        throw new DoorError(400, WRONG_CODE);
      };
      if (isSignedIn(c)) {
        const body = await readDoorBody(c, withCode);
        const { accessToken, caller } = c.var;
        const giveBack = await count(deps, c, 'code_check', caller.id);
        const inPool = await deps.sessions.personOf(accessToken);
        if (!inPool) throw new TokenRejected('signed out');
        const proved = await proveWithCode(deps, accessToken, inPool, body.code);
        if (!proved) return await refuse();
        await giveBack();
        return c.json(showPerson(proved.person), 200);
      }
      const body = await readDoorBody(c, withPair);
      const { account, name, giveBack } = await countedAccount(
        deps,
        c,
        'code_check',
        body.username,
      );
      c.set('emailHash', emailHash(name));
      const signIn = await deps.sessions.signIn(account.poolName, body.password);
      if (signIn.kind !== 'signed_in') return await refuse();
      const { tokens } = signIn;
      const inPool = await deps.sessions.personOf(tokens.accessToken);
      const proved = inPool && (await proveWithCode(deps, tokens.accessToken, inPool, body.code));
      if (!proved) {
        deps.afterwards(() => discard(deps, tokens));
        return await refuse();
      }
      await giveBack();
      return (await answerSignIn(deps, c, account, signIn)) ?? (await refuse());
    },
  );
}

/** A bearer token was sent, and so it was checked. */
const isSignedIn = (c: Context<AppEnv>): boolean => c.req.header('authorization') !== undefined;

async function count(
  deps: AppDeps,
  c: Context<AppEnv>,
  call: 'code_request' | 'code_check',
  name: string,
): Promise<() => Promise<void>> {
  const address = deps.clientAddress(c);
  await deps.limits.sessionCall(address);
  return await deps.limits.accountCall(call, address, name);
}

/** A name that was sent with a password: both are counted, whether the account exists or not. */
async function countedAccount(
  deps: AppDeps,
  c: Context<AppEnv>,
  call: 'code_request' | 'code_check',
  username: string,
) {
  const name = nameOf(username);
  const giveBackCall = await count(deps, c, call, name);
  const account = await accountOf(deps, name);
  const giveBackPassword = await deps.limits.passwordCheck(
    deps.clientAddress(c),
    account.countedAs,
  );
  const giveBack = async (): Promise<void> => {
    await Promise.all([giveBackCall(), giveBackPassword()]);
  };
  return { account, name, giveBack };
}
