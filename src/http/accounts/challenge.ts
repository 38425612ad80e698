import { z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { FAILURES } from '../../domain/failure.ts';
import { normaliseEmail } from '../../domain/email.ts';
import {
  CHALLENGES,
  type Challenge,
  type ChallengeName,
  type ChallengeReply,
  type SignIn,
} from '../../domain/session.ts';
import type { Secret } from '../../secrets/secret.ts';
import { emailHash } from '../../secrets/email-hash.ts';
import type { AppDeps, AppEnv } from '../app-deps.ts';
import { mountPlain, type Api } from '../openapi/mount.ts';
import { json } from '../problems/answers.ts';
import { doorErrors } from '../public-form/answers.ts';
import { readDoorBody } from '../public-form/body.ts';
import { DoorError } from '../public-form/error.ts';
import { chosenPasswordText, sent } from '../public-form/fields.ts';
import { accountDigest, accountOf, nameOf, type SignInAccount } from './account.ts';
import { permittedPerson, discard } from './admission.ts';
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
  .openapi('ChallengeRequired');
const CHALLENGE = {
  detail: FAILURES.challenge_required.publicText,
  code: 'challenge_required',
  challenge: 'NEW_PASSWORD_REQUIRED',
  session: 'eyJhY2NvdW50…',
  options: null,
  destination: null,
  secret: null,
};

/** The responses of an operation that answers as a sign-in. */
export const SIGN_IN_RESPONSES = {
  200: json(SignedInSchema, 'Signed in.'),
  403: {
    description: 'The password is right, and Cognito asks for more.',
    content: {
      'application/json': {
        schema: ChallengeSchema,
        examples: { challenge_required: { value: CHALLENGE } },
      },
    },
  },
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
  const person = await permittedPerson(deps, tokens);
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

const CODE_CHALLENGES = CHALLENGES.filter((name) => name !== 'NEW_PASSWORD_REQUIRED');

/** The password as it was sent, for the rules, and as a secret. */
function answerOf({ secret, passwordPolicy }: Pick<AppDeps, 'secret' | 'passwordPolicy'>) {
  const named = { username: sent(320), session: sent(SESSION_LENGTH) };
  const withPassword = z
    .object({
      ...named,
      challenge: z.literal('NEW_PASSWORD_REQUIRED'),
      new_password: chosenPasswordText().openapi({ description: passwordPolicy.description }),
    })
    .openapi('FirstPassword', {
      example: {
        username: 'ada@example.com',
        challenge: 'NEW_PASSWORD_REQUIRED',
        session: 'eyJhY2NvdW50…',
        new_password: 'Analytical1',
      },
    });
  const withCode = z
    .object({
      ...named,
      challenge: z.enum(CODE_CHALLENGES),
      code: sent(CODE_LENGTH).openapi({ description: 'SELECT_MFA_TYPE: the chosen factor.' }),
    })
    .openapi('ChallengeCode');
  return z
    .discriminatedUnion('challenge', [withPassword, withCode])
    .transform((body): ChallengeAnswer => {
      const { username, session } = body;
      if (body.challenge !== 'NEW_PASSWORD_REQUIRED') {
        const { challenge, code } = body;
        return { username, session, challenge, reply: { code }, fault: null };
      }
      const { challenge, new_password: chosen } = body;
      // Only what the request says: the rest would tell a stranger the names of the account.
      const owner = { email: normaliseEmail(username), username: username.trim() };
      const fault = passwordPolicy.faultOf(chosen, null, owner);
      return { username, session, challenge, reply: { newPassword: secret(chosen) }, fault };
    });
}

interface ChallengeAnswer {
  readonly username: string;
  readonly session: string;
  readonly challenge: ChallengeName;
  readonly reply: ChallengeReply<Secret>;
  /** The first rule that the new password breaks. */
  readonly fault: string | null;
}

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
      if (body.fault !== null) throw new DoorError(400, body.fault);
      const name = nameOf(body.username);
      c.set('emailHash', emailHash(name));
      const address = deps.clientAddress(c);
      await deps.limits.sessionCall(address);
      const giveBack = await deps.limits.accountCall('challenge', address, name);
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
      const answer = await deps.sessions.answerChallenge({ ...bound, name: challenge }, body.reply);
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
