import { setTimeout as delay } from 'node:timers/promises';
import { emailOf, type Registration } from '../../src/domain/registration.ts';
import { giveBackMail, takeMail } from '../../src/ledger/mail-limits.ts';
import type { Secret } from '../../src/secrets/secret.ts';
import type { PasswordContext } from '../step-context.ts';
import { usernameOf } from './created-user.ts';

/** The pool may not see the new user everywhere yet. */
const ATTEMPTS = 3;
const PAUSE_MS = 300;

/**
 * Has a code mailed that proves the address of a new sign-up. Cognito wants an access token for that, so
 * this signs in with the person's password and ends the session again. Never fails the step: the person
 * can request another code, and an attempt that is repeated may mail a second one.
 */
export async function mailFirstCode(
  ctx: PasswordContext,
  row: Registration,
  password: Secret,
): Promise<void> {
  const ended = Promise.withResolvers<void>();
  const end = () => ended.resolve();
  ctx.signal.addEventListener('abort', end, { once: true });
  if (ctx.signal.aborted) end();
  try {
    // The attempt has to record the password before its time is up.
    await Promise.race([mailCode(ctx, row, password), ended.promise]);
  } finally {
    ctx.signal.removeEventListener('abort', end);
  }
}

async function mailCode(ctx: PasswordContext, row: Registration, password: Secret): Promise<void> {
  const { db, sessions, publicMailsPerDay, log, signal } = ctx;
  const registrationId = row.id;
  try {
    if (!sessions)
      return log.warn({ registrationId }, 'no code mailed: COGNITO_CLIENT_ID is not set');
    const tokens = await signIn(sessions, usernameOf(row), password, signal);
    if (!tokens) return log.warn({ registrationId }, 'no code mailed: sign-in failed');
    const mail = { email: emailOf(row), publicPerDay: publicMailsPerDay };
    if ((await takeMail(db, mail)).kind === 'allowed') {
      if (!(await sessions.mailCode(tokens.accessToken))) await giveBackMail(db, mail);
    }
    await sessions.revoke(tokens.refreshToken);
  } catch (error) {
    const { name } = error instanceof Error ? error : { name: 'unknown' };
    log.warn({ registrationId, error: name }, 'no code mailed');
  }
}

async function signIn(
  sessions: NonNullable<PasswordContext['sessions']>,
  username: string,
  password: Secret,
  signal: AbortSignal,
) {
  for (let attempt = 1; ; attempt += 1) {
    const answer = await sessions.signIn(username, password);
    if (answer.kind === 'signed_in') return answer.tokens;
    if (answer.kind === 'challenge' || attempt === ATTEMPTS || signal.aborted) return null;
    await delay(PAUSE_MS);
  }
}
