import { randomUUID } from 'node:crypto';
import { AdminGetUserCommand } from '@aws-sdk/client-cognito-identity-provider';
import { sql } from 'drizzle-orm';
import { expect } from 'vitest';
import { registerAtOnce } from '../../activities/registration/register-at-once.ts';
import { recoverPasswords, type RecoveryDeps } from '../../activities/relay/password-recoveries.ts';
import { endPromisedSessions } from '../../activities/relay/sign-outs.ts';
import { createPasswordRecovery } from '../../src/cognito/password-recovery.ts';
import { createSessions } from '../../src/cognito/sessions.ts';
import { accept } from '../../src/ledger/registrations/accept.ts';
import { readTokenCutoffs } from '../../src/ledger/token-cutoffs.ts';
import { acceptInput, type Wanted } from './accept-input.ts';
import { known, type Known } from './known.ts';
import type { Steps } from './steps.ts';

/** The password of everybody who has chosen one. */
export const PASSWORD = 'Correct-horse-1';

async function completed(steps: Steps, wanted: Wanted): Promise<Known> {
  const id = randomUUID();
  await accept(steps.db, acceptInput({ id, ...wanted }));
  const { row } = await registerAtOnce(steps.context(), id);
  expect(row.status).toBe('completed');
  return known(row);
}

/** Somebody who signed up and never proved the address. */
export const unproved = (steps: Steps) =>
  completed(steps, {
    door: 'signup',
    username: `u${randomUUID().slice(0, 8)}`,
    roles: [],
    emailVerified: false,
    password: PASSWORD,
  });
/** Somebody with a password and a proved address. */
export const proved = (steps: Steps) =>
  completed(steps, { emailVerified: true, password: PASSWORD });
/** Somebody who was invited and never signed in. */
export const invited = (steps: Steps) => completed(steps, { emailVerified: true, invite: true });

export const sessionsOf = ({ pool: { client, clientId } }: Steps) =>
  createSessions(client, { clientId, clientSecret: null }, { warn: () => undefined });
export const mailsTo = async (steps: Steps, email: string) =>
  (await steps.pool.mail()).filter(({ to }) => to === email);
export const userOf = (steps: Steps, username: string | null) =>
  steps.pool.client.send(
    new AdminGetUserCommand({ UserPoolId: steps.pool.userPoolId, Username: username ?? '' }),
  );
export const promises = async (steps: Steps) =>
  await steps.db.execute<{ name: string; last_error: string | null; due_in: number }>(
    sql`SELECT o.account_name AS name, d.last_error, d.unanswered,
        extract(epoch FROM d.next_attempt_at - now())::float8 AS due_in
      FROM outbox o JOIN outbox_deliveries d ON d.outbox_id = o.id
      WHERE o.account_name IS NOT NULL`,
  );

export function depsOf(steps: Steps, over: Partial<RecoveryDeps> = {}): RecoveryDeps {
  const { db, log, provider } = steps.context();
  const { client, clientId } = steps.pool;
  return {
    db,
    log,
    provider,
    recovery: createPasswordRecovery(client, { clientId, clientSecret: null }, log),
    acquireQuota: () => async () => undefined,
    publicMailsPerDay: null,
    propagationGraceSeconds: 0,
    ...over,
  };
}

/** When the sessions of a person ended, as API processes are told; null: never. */
export async function sessionsEndedAt(steps: Steps, userId: string | null): Promise<number | null> {
  const cutoffs = await readTokenCutoffs(steps.db, { changedAt: 0, userId: '' }, 1000);
  return cutoffs.find((cutoff) => cutoff.userId === userId)?.sessionsEndedAt ?? null;
}

/** A shift of the relay, until nothing is due any more. */
export async function relayPromises(steps: Steps, over: Partial<RecoveryDeps> = {}): Promise<void> {
  await steps.db.execute(sql`UPDATE outbox_deliveries d SET next_attempt_at = now()
    FROM outbox o WHERE o.id = d.outbox_id AND o.account_name IS NOT NULL`);
  const stopping = new AbortController();
  const deps = depsOf(steps, over);
  const shift = Promise.all([
    recoverPasswords(deps, stopping.signal),
    endPromisedSessions(deps, stopping.signal),
  ]);
  shift.catch(() => stopping.abort());
  while (!stopping.signal.aborted) {
    const left = await promises(steps);
    if (left.every(({ due_in, last_error }) => due_in > 0 && last_error !== null)) break;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  stopping.abort();
  await shift;
}

/** Leaves nothing to the next test. */
export async function clearPromises({ pool, db }: Steps): Promise<void> {
  await pool.clearFaults();
  await db.execute(sql`DELETE FROM outbox WHERE account_name IS NOT NULL`);
}
