import { h, type Attributes, type Content } from './elements.ts';
import { choiceField, formField } from './fields.ts';
import { CSRF_FIELD } from './forms.ts';
import { actionBar } from './parts.ts';

export interface SignInShown {
  readonly username: string;
  /** The page after it. */
  readonly next: string;
  readonly notice: string | null;
  readonly error: string | null;
}

export function signInPage(
  { username, next, notice, error }: SignInShown,
  csrfToken: string,
): Content {
  return [
    notice !== null && h.p({ class: 'notice', role: 'status' }, notice),
    errorOf(error),
    h.form(
      { method: 'post', action: '/console/sign-in', class: 'form' },
      hidden(CSRF_FIELD, csrfToken),
      hidden('next', next),
      field('username', 'E-mail address or username', {
        value: username,
        autocomplete: 'username',
        autocapitalize: 'none',
        spellcheck: 'false',
        autofocus: true,
      }),
      field('password', 'Password', { type: 'password', autocomplete: 'current-password' }),
      actionBar(h.button({ class: 'primary' }, 'Sign in')),
    ),
  ];
}

/** What the pool asks for beside the password. All of it comes back with the answer. */
export interface ChallengeShown {
  readonly username: string;
  readonly next: string;
  readonly challenge: string;
  readonly session: string;
  readonly options: readonly string[] | null;
  readonly destination: string | null;
  readonly secret: string | null;
  readonly error: string | null;
}

/** @param passwordRules in a sentence */
export function challengePage(
  shown: ChallengeShown,
  csrfToken: string,
  passwordRules: string,
): Content {
  const { username, next, challenge, session, options, destination, secret, error } = shown;
  const asked = questionOf(shown, passwordRules);
  if (asked === null) {
    return [
      h.p({}, `Cognito asks for ${challenge}, which this page cannot answer.`),
      h.p({}, h.a({ href: '/console/sign-in' }, 'Start anew')),
    ];
  }
  return [
    errorOf(error),
    h.form(
      { method: 'post', action: '/console/sign-in/challenge', class: 'form' },
      hidden(CSRF_FIELD, csrfToken),
      // Password managers keep the new password under it.
      h.input({ name: 'username', value: username, autocomplete: 'username', hidden: true }),
      hidden('next', next),
      hidden('challenge', challenge),
      hidden('session', session),
      ...(options ?? []).map((option) => hidden('option', option)),
      destination !== null && hidden('destination', destination),
      secret !== null && hidden('secret', secret),
      asked,
      actionBar(h.button({ class: 'primary' }, 'Go on')),
    ),
    h.p({}, h.a({ href: '/console/sign-in' }, 'Start anew')),
  ];
}

const FACTORS: Readonly<Record<string, string>> = {
  SOFTWARE_TOKEN_MFA: 'A code of my authenticator app',
  SMS_MFA: 'A code by SMS',
  EMAIL_OTP: 'A code by e-mail',
};

function questionOf(
  { challenge, options, destination, secret }: ChallengeShown,
  passwordRules: string,
): Content {
  switch (challenge) {
    case 'NEW_PASSWORD_REQUIRED': {
      const typed = { type: 'password', autocomplete: 'new-password' };
      return [
        h.p({}, `Choose a password of your own. ${passwordRules}`),
        field('new_password', 'New password', { ...typed, autofocus: true }),
        field('repeated_password', 'New password, again', typed),
      ];
    }
    case 'SELECT_MFA_TYPE':
      return choiceField(
        { name: 'code', label: 'How do you want to prove that it is you?' },
        'radio',
        (options ?? []).map((value, index) => ({
          value,
          label: FACTORS[value] ?? value,
          isChosen: index === 0,
        })),
      );
    case 'SMS_MFA':
    case 'EMAIL_OTP':
      return codeField(`Code that was sent to ${destination ?? 'you'}`);
    case 'SOFTWARE_TOKEN_MFA':
      return codeField('Code of your authenticator app');
    case 'MFA_SETUP':
      if (secret === null) return null;
      return [
        h.p({}, 'Add this key to an authenticator app, and enter the code that the app shows.'),
        h.p({}, h.code({}, secret.replaceAll(/(.{4})(?=.)/g, '$1 '))),
        codeField('Code of your authenticator app'),
      ];
    default:
      return null;
  }
}

function codeField(label: string): Content {
  return field('code', label, {
    autocomplete: 'one-time-code',
    inputmode: 'numeric',
    autofocus: true,
  });
}

function field(name: string, label: string, attributes: Attributes): Content {
  return formField({ name, label }, { required: true, ...attributes });
}

function hidden(name: string, value: string): Content {
  return h.input({ type: 'hidden', name, value });
}

function errorOf(error: string | null): Content {
  return error !== null && h.p({ class: 'problem tone-bad', role: 'alert' }, error);
}
