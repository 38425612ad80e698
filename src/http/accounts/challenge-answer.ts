import { z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { normaliseEmail } from '../../domain/email.ts';
import { CHALLENGES, type ChallengeName, type ChallengeReply } from '../../domain/session.ts';
import { emailHash } from '../../secrets/email-hash.ts';
import type { Secret } from '../../secrets/secret.ts';
import type { AppDeps, AppEnv } from '../app-deps.ts';
import { chosenPasswordText, sent } from '../public-form/fields.ts';
import { accountDigest, accountOf, nameOf } from './account.ts';
import { decodeSession } from './challenge-session.ts';
import { waitForEvenTime } from './even-time.ts';
import { proveByMailedPassword } from './prove-address.ts';
import { outcomeOf, type SignInOutcome } from './sign-in.ts';

const SESSION_LENGTH = 16_384;
const CODE_LENGTH = 256;
const CODE_CHALLENGES = CHALLENGES.filter((name) => name !== 'NEW_PASSWORD_REQUIRED');

export interface ChallengeAnswer {
  readonly username: string;
  readonly session: string;
  readonly challenge: ChallengeName;
  readonly reply: ChallengeReply<Secret>;
  /** The first rule that the new password breaks. */
  readonly fault: string | null;
}

/** The password as it was sent, for the rules, and as a secret. */
export function challengeAnswerOf({
  secret,
  passwordPolicy,
}: Pick<AppDeps, 'secret' | 'passwordPolicy'>) {
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

/** Goes on with a sign-in whose answer breaks no rule.
 * @throws RateLimited, ProviderUnavailable, DatabaseError */
export async function answerChallenge(
  deps: AppDeps,
  c: Context<AppEnv>,
  { username, session, challenge, reply }: Omit<ChallengeAnswer, 'fault'>,
): Promise<SignInOutcome | { readonly kind: 'password_rejected' }> {
  const begun = performance.now();
  const refuse = async (): Promise<SignInOutcome> => {
    await waitForEvenTime(begun);
    return { kind: 'refused' };
  };
  const name = nameOf(username);
  c.set('emailHash', emailHash(name));
  const address = deps.clientAddress(c);
  await deps.limits.sessionCall(address);
  const giveBack = await deps.limits.accountCall('challenge', address, name);
  const account = await accountOf(deps, name);
  const bound = decodeSession(session);
  const fits = bound?.account === accountDigest(account) && bound.challenge === challenge;
  if (!bound || !fits) {
    // Nobody guessed a code, so nobody keeps the owner from their own attempts.
    await giveBack();
    return await refuse();
  }
  const answer = await deps.sessions.answerChallenge({ ...bound, name: challenge }, reply);
  if (answer.kind === 'wrong_code') return await refuse();
  await giveBack();
  if (answer.kind === 'password_rejected') return answer;
  if (answer.kind === 'refused') return await refuse();
  if (challenge === 'NEW_PASSWORD_REQUIRED') await proveByMailedPassword(deps, bound.poolName);
  const outcome = await outcomeOf(deps, account, answer);
  return outcome.kind === 'refused' ? await refuse() : outcome;
}
