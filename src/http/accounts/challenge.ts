import { z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { FAILURES } from '../../domain/failure.ts';
import { CHALLENGES, type SignIn } from '../../domain/session.ts';
import type { AppDeps, AppEnv } from '../app-deps.ts';
import { mountPlain, type Api } from '../openapi/mount.ts';
import { json } from '../problems/answers.ts';
import { doorErrors } from '../public-form/answers.ts';
import { readDoorBody } from '../public-form/body.ts';
import { DoorError } from '../public-form/error.ts';
import type { SignInAccount } from './account.ts';
import { answerChallenge, challengeAnswerOf } from './challenge-answer.ts';
import { bodyOf, PUBLIC, TAGS } from './session-operations.ts';
import { outcomeOf, type SignInOutcome } from './sign-in.ts';
import { showPerson, showTokens, SignedInSchema } from './signed-in.ts';

export const WRONG_SESSION = 'Invalid code or session';

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

/** The response to a sign-in; null where the person gets no tokens. */
export function answerOutcome(c: Context<AppEnv>, outcome: SignInOutcome): Response | null {
  if (outcome.kind === 'refused') return null;
  if (outcome.kind === 'signed_in') {
    return c.json({ ...showTokens(outcome.tokens), ...showPerson(outcome.person) }, 200);
  }
  const { code, publicText: detail } = FAILURES.challenge_required;
  const { name: challenge, session, options, destination, secret } = outcome.challenge;
  return c.json({ detail, code, challenge, session, options, destination, secret }, 403);
}

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
  return answerOutcome(c, await outcomeOf(deps, account, signIn));
}

/** What sign-in asks for beside the password. */
export function mountChallenge(api: Api, deps: AppDeps): void {
  const schema = challengeAnswerOf(deps);
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
      const body = await readDoorBody(c, schema);
      if (body.fault !== null) throw new DoorError(400, body.fault);
      const outcome = await answerChallenge(deps, c, body);
      if (outcome.kind === 'password_rejected') {
        throw new DoorError(400, FAILURES.password_rejected.publicText);
      }
      const answer = answerOutcome(c, outcome);
      if (!answer) throw new DoorError(401, WRONG_SESSION);
      return answer;
    },
  );
}
