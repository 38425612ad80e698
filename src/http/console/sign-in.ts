import { randomBytes } from 'node:crypto';
import type { Context } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { CHALLENGES } from '../../domain/session.ts';
import { FAILURES } from '../../domain/failure.ts';
import { RateLimited } from '../access/limits.ts';
import { answerChallenge, challengeAnswerOf } from '../accounts/challenge-answer.ts';
import { credentialsOf, signInWithPassword, type SignInOutcome } from '../accounts/sign-in.ts';
import type { AppEnv } from '../app-deps.ts';
import type { Api } from '../openapi/mount.ts';
import { readForm } from '../request/body.ts';
import { consoleCookie } from './cookies.ts';
import {
  challengePage,
  signInPage,
  type ChallengeShown,
  type SignInShown,
} from './sign-in-pages.ts';
import { CSRF_FIELD, fieldsOf } from './forms.ts';
import {
  isSameSecret,
  type ConsoleDeps,
  type ConsoleSessions,
  type NoSession,
} from './sessions.ts';
import type { FormFields } from './visit.ts';
import { layout } from './layout.ts';

type C = Context<AppEnv>;

/** Why somebody has to sign in. */
const REASONS: Readonly<Record<NoSession | 'signed_out' | 'not_done', string | null>> = {
  none: null,
  expired:
    'Your session is over: it ends 30 minutes after the last page, and after 12 hours. Sign in again.',
  ended:
    'Your session was ended: you were signed out, or your account or its roles have changed. Sign in again.',
  signed_out: 'You are signed out.',
  not_done: 'You were signed out, so nothing was done. Sign in and send the form again.',
};
export type EndReason = keyof typeof REASONS;

const WRONG_PAIR = 'The name or the password is wrong, or the account is disabled.';
const WRONG_CODE =
  'The code is wrong, or this sign-in has taken too long. Try again, or start anew.';
const OLD_FORM = 'This page was too old, so nothing was done. Sign in again.';
const START = '/console';
const FORM_TOKEN = /^[\w-]{43}$/;

/** Where somebody signs in, and comes back to the page of this request. */
export function signInPath(c: C, reason: EndReason): string {
  const { pathname, search } = new URL(c.req.url);
  const query = new URLSearchParams(reason === 'none' ? {} : { reason });
  if (pathname !== START) query.set('next', `${pathname}${search}`);
  return `/console/sign-in${query.size > 0 ? `?${query.toString()}` : ''}`;
}

/** A page of the console, whatever was sent: never another site's. */
export function pageToReturnTo(sent: string | null): string {
  const base = 'http://console.invalid';
  const url = sent?.startsWith('/') ? URL.parse(sent, base) : null;
  if (url?.origin !== base || !/^\/console(\/|$)/.test(url.pathname)) return START;
  return url.pathname.startsWith('/console/sign-') ? START : `${url.pathname}${url.search}`;
}

export function mountSignIn(api: Api, deps: ConsoleDeps, sessions: ConsoleSessions): void {
  const credentials = credentialsOf(deps);
  const challengeAnswer = challengeAnswerOf(deps);

  // A stranger's page must not sign a browser in to the stranger's account.
  const formCookie = consoleCookie(deps, 'registrar-sign-in');
  /** Of the forms before there is a session: the same in all tabs of a browser. */
  const csrfTokenOf = (c: C): string => {
    const known = formCookie.read(c);
    if (known !== null && FORM_TOKEN.test(known)) return known;
    const made = randomBytes(32).toString('base64url');
    formCookie.write(c, made);
    return made;
  };
  const isOurForm = (c: C, sent: FormFields): boolean =>
    isSameSecret(sent.get(CSRF_FIELD) ?? '', formCookie.read(c) ?? randomBytes(32).toString('hex'));

  const showSignIn = (c: C, shown: SignInShown, status: ContentfulStatusCode = 200) => {
    const page = { title: 'Sign in', section: null, main: signInPage(shown, csrfTokenOf(c)) };
    return c.html(layout({ page, operator: null, csrfToken: null, notice: null }), status);
  };
  const showChallenge = (c: C, shown: ChallengeShown, status: ContentfulStatusCode = 200) => {
    const main = challengePage(shown, csrfTokenOf(c), deps.passwordPolicy.description);
    const page = { title: 'Sign in', section: null, main };
    return c.html(layout({ page, operator: null, csrfToken: null, notice: null }), status);
  };
  const finish = async (
    c: C,
    outcome: Exclude<SignInOutcome, { kind: 'refused' }>,
    { username, next }: { username: string; next: string },
  ) => {
    if (outcome.kind === 'challenge') {
      const { name: challenge, session, options, destination, secret } = outcome.challenge;
      const shown = { username, next, challenge, session, options, destination, secret };
      return showChallenge(c, { ...shown, error: null });
    }
    const { userId } = outcome.person;
    await sessions.open(c, { userId, name: username.trim() }, outcome.tokens);
    return c.redirect(next, 303);
  };
  /** The page again where there were too many attempts. */
  const unlessLimited = async (
    c: C,
    work: () => Promise<Response>,
    again: (error: string) => Response | Promise<Response>,
  ) => {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof RateLimited)) throw error;
      c.header('Retry-After', String(error.retryAfterSeconds));
      return await again(FAILURES.rate_limited.publicText);
    }
  };

  api.get('/console/sign-in', async (c) => {
    const reason = c.req.query('reason') ?? 'none';
    const notice = Object.hasOwn(REASONS, reason) ? REASONS[reason as EndReason] : null;
    const next = pageToReturnTo(c.req.query('next') ?? null);
    if ((await sessions.readStored(c)) !== null) return c.redirect(next, 303);
    return await showSignIn(c, { username: '', next, notice, error: null });
  });

  api.post('/console/sign-in', async (c) => {
    const sent = fieldsOf(await readForm(c));
    const username = sent.get('username') ?? '';
    const next = pageToReturnTo(sent.get('next'));
    const again = (error: string, status: ContentfulStatusCode) =>
      showSignIn(c, { username, next, notice: null, error }, status);
    if (!isOurForm(c, sent)) return await again(OLD_FORM, 403);
    const read = credentials.safeParse({ username, password: sent.get('password') ?? '' });
    if (!read.success) return again(WRONG_PAIR, 401);
    return await unlessLimited(
      c,
      async () => {
        const outcome = await signInWithPassword(deps, c, read.data);
        if (outcome.kind === 'refused') return await again(WRONG_PAIR, 401);
        return await finish(c, outcome, { username, next });
      },
      (error) => again(error, 429),
    );
  });

  api.post('/console/sign-in/challenge', async (c) => {
    const sent = fieldsOf(await readForm(c));
    const shown = challengeOf(sent);
    const again = (error: string, status: ContentfulStatusCode) =>
      showChallenge(c, { ...shown, error }, status);
    const { username, next, session, challenge } = shown;
    if (!isOurForm(c, sent)) {
      return await showSignIn(c, { username, next, notice: null, error: OLD_FORM }, 403);
    }
    const password = sent.get('new_password');
    const read = challengeAnswer.safeParse(
      challenge === 'NEW_PASSWORD_REQUIRED'
        ? { username, session, challenge, new_password: password ?? '' }
        : { username, session, challenge, code: (sent.get('code') ?? '').trim() },
    );
    if (!read.success) {
      const isPassword = read.error.issues.some(({ path }) => path[0] === 'new_password');
      return again(isPassword ? deps.passwordPolicy.description : WRONG_CODE, 422);
    }
    if (challenge === 'NEW_PASSWORD_REQUIRED' && password !== sent.get('repeated_password')) {
      return again('The two passwords differ.', 422);
    }
    const { fault } = read.data;
    if (fault !== null) return again(fault, 422);
    return await unlessLimited(
      c,
      async () => {
        const outcome = await answerChallenge(deps, c, read.data);
        if (outcome.kind === 'password_rejected') {
          return await again(FAILURES.password_rejected.publicText, 422);
        }
        if (outcome.kind === 'refused') return await again(WRONG_CODE, 401);
        return await finish(c, outcome, shown);
      },
      (error) => again(error, 429),
    );
  });
  // Somebody who reloads the page of a challenge starts anew.
  api.get('/console/sign-in/challenge', (c) => c.redirect('/console/sign-in', 303));
}

function challengeOf(sent: FormFields): ChallengeShown {
  const challenge = sent.get('challenge') ?? '';
  return {
    username: sent.get('username') ?? '',
    next: pageToReturnTo(sent.get('next')),
    challenge: CHALLENGES.find((name) => name === challenge) ?? '',
    session: sent.get('session') ?? '',
    options: sent.all('option'),
    destination: sent.get('destination'),
    secret: sent.get('secret'),
    error: null,
  };
}
