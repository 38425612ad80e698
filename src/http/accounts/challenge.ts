import { z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { FAILURES } from '../../domain/failure.ts';
import { normaliseEmail } from '../../domain/email.ts';
import { CHALLENGES, type Challenge, type SignIn } from '../../domain/session.ts';
import { emailHash } from '../../secrets/email-hash.ts';
import type { AppDeps, AppEnv } from '../app-deps.ts';
import { mountPlain, type Api } from '../openapi/mount.ts';
import { json } from '../problems/answers.ts';
import { doorErrors } from '../public-form/answers.ts';
import { readDoorBody } from '../public-form/body.ts';
import { DoorError } from '../public-form/error.ts';
import { chosenPasswordText, sent } from '../public-form/fields.ts';
import { accountDigest, accountOf, nameOf, type SignInAccount } from './account.ts';
import { admit, discard } from './admission.ts';
import { waitForEvenTime } from './even-time.ts';
import { proveByMailedPassword } from './prove-address.ts';
import { bodyOf, PUBLIC, TAGS } from './session-operations.ts';
import { showPerson, showTokens, SignedInSchema } from './signed-in.ts';

export const WRONG_SESSION = 'Invalid code or session';
const SESSION_LENGTH = 16_384;
const CODE_LENGTH = 256;

const ChallengeSchema = z
  .object({
    detail: z.string(),
    code: z.literal('challenge_required'),
    challenge: z.string().openapi({
      description: `What Cognito asks for. \`POST /auth/challenge\` finishes ${CHALLENGES.join(', ')}.`,
    }),
    session: z.string().openapi({ description: 'Valid once and for 3 minutes.' }),
    options: z
      .array(z.string())
      .nullable()
      .openapi({ description: 'SELECT_MFA_TYPE: send one of these as `code`.' }),
    destination: z.string().nullable().openapi({ description: 'Where a code was sent, masked.' }),
    secret: z.string().nullable().openapi({
      description: 'MFA_SETUP: the Base32 secret for an authenticator; then send its first code.',
    }),
  })
  .openapi('ChallengeRequired', {
    example: {
      detail: FAILURES.challenge_required.publicText,
      code: 'challenge_required',
      challenge: 'NEW_PASSWORD_REQUIRED',
      session: 'eyJhY2NvdW50…',
      options: null,
      destination: null,
      secret: null,
    },
  });

/** The responses of an operation that answers as a sign-in. */
export const SIGN_IN_RESPONSES = {
  200: json(SignedInSchema, 'Signed in.'),
  403: json(ChallengeSchema, 'The password is right, and Cognito asks for more.'),
};

/**
 * Answers a finished sign-in with tokens, or with the next challenge.
 * @returns null where the person gets no tokens; their session is ended then
 */
export async function answerSignIn(
  deps: AppDeps,
  c: Context<AppEnv>,
  account: Pick<SignInAccount, 'countedAs'>,
  signIn: Exclude<SignIn, { kind: 'refused' }>,
): Promise<Response | null> {
  if (signIn.kind === 'challenge') return answerChallenge(c, account, signIn.challenge);
  const { tokens } = signIn;
  const person = await admit(deps, tokens);
  if (person) return c.json({ ...showTokens(tokens), ...showPerson(person) }, 200);
  deps.afterwards(() => discard(deps, tokens));
  return null;
}

function answerChallenge(
  c: Context<AppEnv>,
  account: Pick<SignInAccount, 'countedAs'>,
  { name, session, poolName, options, destination, secret }: Challenge,
): Response {
  const { code, publicText: detail } = FAILURES.challenge_required;
  const bound = { account: accountDigest(account), challenge: name, poolName, session };
  const shown = { session: encode(bound), options, destination, secret };
  return c.json({ detail, code, challenge: name, ...shown }, 403);
}

/** Cognito checks its own session against user and challenge. The other fields only say whom the answer
 * has to name, so the text needs no signature. */
const BoundSession = z.object({
  account: z.string(),
  challenge: z.string(),
  poolName: z.string(),
  session: z.string(),
});
type BoundSession = z.infer<typeof BoundSession>;

function encode(bound: BoundSession): string {
  return Buffer.from(JSON.stringify(bound)).toString('base64url');
}

function decode(text: string): BoundSession | null {
  try {
    return BoundSession.parse(JSON.parse(Buffer.from(text, 'base64url').toString()));
  } catch {
    return null;
  }
}

const answerOf = (deps: Pick<AppDeps, 'passwordPolicy'>) =>
  z
    .object({
      username: sent(320),
      challenge: z.enum(CHALLENGES),
      session: sent(SESSION_LENGTH),
      new_password: chosenPasswordText()
        .nullish()
        .openapi({ description: `For NEW_PASSWORD_REQUIRED. ${deps.passwordPolicy.description}` }),
      code: sent(CODE_LENGTH)
        .nullish()
        .openapi({ description: 'For the others; SELECT_MFA_TYPE: the chosen factor.' }),
    })
    .openapi('ChallengeAnswer', {
      example: {
        username: 'ada@example.com',
        challenge: 'NEW_PASSWORD_REQUIRED',
        session: 'eyJhY2NvdW50…',
        new_password: 'Analytical1',
        code: null,
      },
    });

/** What sign-in asks for beside the password. */
export function mountChallenge(api: Api, deps: AppDeps): void {
  const schema = answerOf(deps);
  const { passwordPolicy } = deps;
  mountPlain(
    api,
    deps,
    {
      ...TAGS,
      method: 'post',
      path: '/auth/challenge',
      operationId: 'doorAnswerChallenge',
      summary: 'Answer the challenge of a sign-in',
      description:
        'Send the `challenge` and the `session` of the last 403 response, with `new_password` or `code`. The first password proves the address if Registrar mailed the temporary one.',
      request: bodyOf(schema),
      responses: {
        ...SIGN_IN_RESPONSES,
        ...doorErrors(
          {
            400: [...passwordPolicy.faults, FAILURES.password_rejected.publicText],
            401: [WRONG_SESSION],
          },
          PUBLIC,
        ),
      },
    },
    async (c) => {
      const begun = performance.now();
      const body = await readDoorBody(c, schema);
      const reply = replyOf(deps, body);
      const name = nameOf(body.username);
      c.set('emailHash', emailHash(name));
      if (body.challenge === 'NEW_PASSWORD_REQUIRED') {
        // Only what the request says: the rest would tell a stranger the names of the account.
        const owner = { email: normaliseEmail(name), username: name };
        const fault = passwordPolicy.faultOf(body.new_password ?? '', null, owner);
        if (fault !== null) throw new DoorError(400, fault);
      }
      const address = deps.clientAddress(c);
      await deps.limits.sessionCall(address);
      const giveBack = await deps.limits.accountCall('code_check', address, name);
      const account = await accountOf(deps, name);
      const { challenge } = body;
      const refuse = async (): Promise<never> => {
        await waitForEvenTime(begun);
        throw new DoorError(401, WRONG_SESSION);
      };
      const bound = decode(body.session);
      const fits = bound?.account === accountDigest(account) && bound.challenge === challenge;
      if (!bound || !fits) {
        // Nobody guessed a code, so nobody keeps the owner from their own attempts.
        await giveBack();
        return await refuse();
      }
      const answer = await deps.sessions.answerChallenge({ ...bound, name: challenge }, reply);
      if (answer.kind === 'wrong_code') return await refuse();
      await giveBack();
      if (answer.kind === 'refused') return await refuse();
      if (answer.kind === 'password_rejected') {
        throw new DoorError(400, FAILURES.password_rejected.publicText);
      }
      if (challenge === 'NEW_PASSWORD_REQUIRED') await proveByMailedPassword(deps, bound.poolName);
      return (await answerSignIn(deps, c, account, answer)) ?? (await refuse());
    },
  );
}

function replyOf(
  { secret }: Pick<AppDeps, 'secret'>,
  { challenge, new_password, code }: z.infer<ReturnType<typeof answerOf>>,
) {
  const isPassword = challenge === 'NEW_PASSWORD_REQUIRED';
  const missing = (field: string) =>
    new DoorError(422, [{ type: 'missing', loc: ['body', field], msg: 'Field required' }]);
  if (isPassword) {
    if (typeof new_password !== 'string') throw missing('new_password');
    return { newPassword: secret(new_password) };
  }
  if (typeof code !== 'string') throw missing('code');
  return { code };
}
