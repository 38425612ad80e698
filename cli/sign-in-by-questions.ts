import { hasPasswordCharacters, type PasswordPolicy } from '../src/domain/password-policy.ts';
import { ProviderUnavailable } from '../src/domain/role.ts';
import {
  CHALLENGES,
  type Challenge,
  type ChallengeName,
  type ChallengeReply,
  type Sessions,
  type SignIn,
} from '../src/domain/session.ts';
import { Secret } from '../src/secrets/secret.ts';
import type { Prompt } from './prompt.ts';

/** How often a person may correct an answer. Cognito ends the session after 3 minutes anyway. */
const TRIES = 3;

export interface SignInParts {
  readonly sessions: Pick<Sessions<Secret>, 'signIn' | 'answerChallenge'>;
  readonly passwordPolicy: PasswordPolicy;
  /** The name of the last error of Cognito that is not about the person. */
  lastError(): string | null;
}

type Answering = Challenge & { readonly name: ChallengeName };

/** Signs in, with a question for everything that Cognito asks for. @returns an access token */
export async function signInByQuestions(
  parts: SignInParts,
  prompt: Prompt,
  email: string,
): Promise<string> {
  try {
    const password = new Secret(await prompt.hidden(`Password of ${email}: `));
    let answer: SignIn = await parts.sessions.signIn(email, password);
    while (answer.kind === 'challenge') {
      const { challenge } = answer;
      const name = CHALLENGES.find((known) => known === challenge.name);
      if (name === undefined || (name === 'MFA_SETUP' && challenge.secret === null)) {
        throw new Error(`Cognito asks for ${challenge.name}, which this command cannot answer.`);
      }
      answer = await answerChallenge(parts, prompt, email, { ...challenge, name });
      if (answer.kind === 'refused') {
        throw new Error('Cognito refused the answer, or it came too late. Sign in again.');
      }
    }
    if (answer.kind === 'signed_in') return answer.tokens.accessToken;
  } catch (error) {
    if (!(error instanceof ProviderUnavailable)) throw error;
    throw new Error(`Cognito does not answer, or refuses the app client: ${parts.lastError()}`, {
      cause: error,
    });
  }
  throw new Error(
    'Wrong e-mail or password, or the user is disabled. A temporary password is valid for 7 days.',
  );
}

async function answerChallenge(
  { sessions, passwordPolicy }: SignInParts,
  prompt: Prompt,
  email: string,
  challenge: Answering,
): Promise<SignIn> {
  if (challenge.secret !== null) {
    prompt.tell(`Add this key to your authenticator app: ${challenge.secret}`);
  }
  for (let tries = prompt.isInteractive ? TRIES : 1; ; tries -= 1) {
    const reply = await replyTo(prompt, passwordPolicy, email, challenge);
    const answer =
      'fault' in reply
        ? ({ kind: 'fault', text: reply.fault } as const)
        : await sessions.answerChallenge(challenge, reply);
    switch (answer.kind) {
      case 'fault':
        prompt.tell(`${answer.text}.`);
        break;
      case 'password_rejected':
        prompt.tell('The password policy of the user pool rejects this password.');
        break;
      case 'wrong_code':
        prompt.tell('Wrong code.');
        break;
      default:
        return answer;
    }
    if (tries === 1) throw new Error('Nothing was changed. Sign in again.');
  }
}

async function replyTo(
  prompt: Prompt,
  policy: PasswordPolicy,
  email: string,
  { name, destination, options }: Answering,
): Promise<ChallengeReply<Secret> | { readonly fault: string }> {
  switch (name) {
    case 'NEW_PASSWORD_REQUIRED': {
      prompt.tell(`Choose a password of your own. ${policy.description}`);
      const chosen = await prompt.hidden('New password: ');
      const repeated = await prompt.hidden('New password, again: ');
      const fault = policy.faultOf(chosen, repeated, { email });
      if (fault !== null) return { fault };
      if (hasPasswordCharacters(chosen)) return { newPassword: new Secret(chosen) };
      return { fault: 'Password must not begin or end with white space' };
    }
    case 'SELECT_MFA_TYPE':
      return { code: await prompt.shown(`Second factor (${(options ?? []).join(', ')}): `) };
    case 'SMS_MFA':
    case 'EMAIL_OTP':
      return { code: await prompt.shown(`Code that was sent to ${destination ?? 'you'}: `) };
    case 'SOFTWARE_TOKEN_MFA':
    case 'MFA_SETUP':
      return { code: await prompt.shown('Code of your authenticator app: ') };
    default:
      return name satisfies never;
  }
}
