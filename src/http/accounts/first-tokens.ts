import { setTimeout as sleep } from 'node:timers/promises';
import { emailOf, type Registration } from '../../domain/registration.ts';
import { ProviderUnavailable } from '../../domain/role.ts';
import type { SignIn, Tokens } from '../../domain/session.ts';
import type { Secret } from '../../secrets/secret.ts';
import type { AppDeps } from '../app-deps.ts';

const FIRST_PAUSE_MS = 100;
const LAST_PAUSE_MS = 1000;

export interface FirstSignIn {
  readonly password: Secret;
  /** When the door has to answer, ms since the epoch. */
  readonly until: number;
  /** The request is a replay, so its password may be wrong. */
  readonly replayed: boolean;
}

/**
 * Signs in the user whom a registration has just created. Cognito may not see the new user everywhere
 * yet, or be unavailable: retries until the door has to answer, but only once for a replayed request.
 * @returns null if no tokens were issued in time
 */
export async function firstTokens(
  { sessions, closing }: Pick<AppDeps, 'sessions' | 'closing'>,
  row: Registration,
  { password, until, replayed }: FirstSignIn,
): Promise<Tokens | 'wrong_password' | null> {
  if (row.status !== 'completed') return null;
  const name = row.cognitoUsername ?? emailOf(row);
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LAST_PAUSE_MS)) {
    const signIn = await sessions.signIn(name, password).catch(unlessAway);
    if (signIn?.kind === 'signed_in') return signIn.tokens;
    if (signIn?.kind === 'challenge') return null;
    if (signIn?.kind === 'refused' && replayed) return 'wrong_password';
    if (closing.aborted || Date.now() + pause >= until) return null;
    await sleep(pause, undefined, { signal: closing }).catch(() => undefined);
  }
}

function unlessAway(error: unknown): SignIn | null {
  if (error instanceof ProviderUnavailable) return null;
  throw error;
}
