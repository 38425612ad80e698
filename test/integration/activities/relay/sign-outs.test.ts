import { sql } from 'drizzle-orm';
import { expect } from 'vitest';
import { confirmReset, promiseSignOut } from '../../../../src/ledger/outbox/account-deliveries.ts';
import { recordAccountEvents } from '../../../../src/ledger/registrations/account-events.ts';
import { readTimeline } from '../../../../src/ledger/registrations/read.ts';
import { Secret } from '../../../../src/secrets/secret.ts';
import { test } from '../../../support/steps-test.ts';
import {
  PASSWORD,
  clearPromises,
  promises,
  proved,
  relayPromises,
  sessionsEndedAt,
  sessionsOf,
  userOf,
} from '../../../support/account-promises.ts';

test.afterEach(({ steps }) => clearPromises(steps));

test('sessions end after a reset whose process died, and after one whose reply was lost', async ({
  steps,
}) => {
  const row = await proved(steps);
  const sessions = sessionsOf(steps);
  for (const by of ['relay', 'unconfirmed'] as const) {
    const thief = await sessions.signIn(row.email, new Secret(PASSWORD));
    if (thief.kind !== 'signed_in') throw new Error('the thief is not signed in');
    const promise = await promiseSignOut(steps.db, row.cognitoUsername ?? '', 30);
    if (by === 'relay') await confirmReset(steps.db, promise, row.userId);
    const begun = await sessionsEndedAt(steps, row.userId);
    await relayPromises(steps);
    expect(await sessions.refresh(thief.tokens.refreshToken)).toBeNull();
    expect(await sessionsEndedAt(steps, row.userId)).toBeGreaterThan(begun ?? 0);
    const last = (await readTimeline(steps.db, row.id)).at(-1);
    expect(last).toMatchObject({ event: 'user.signed_out_everywhere', details: { by } });
  }
  const trail = (await readTimeline(steps.db, row.id)).map(({ event }) => event);
  expect(trail.filter((event) => event === 'user.password_reset')).toHaveLength(1);
});

test('a change of the password whose process died is recorded once, and the sessions end', async ({
  steps,
}) => {
  const row = await proved(steps);
  const userId = row.userId ?? '';
  for (const isRecorded of [false, true]) {
    const key = await promiseSignOut(steps.db, userId, 30, 'password_change');
    const events = ['user.password_changed'] as const;
    if (isRecorded) await recordAccountEvents(steps.db, userId, userId, events, { key });
    await relayPromises(steps);
    const trail = (await readTimeline(steps.db, row.id)).filter(({ event }) => event === events[0]);
    expect(trail).toHaveLength(isRecorded ? 2 : 1);
    expect(trail.at(-1)?.details).toEqual(isRecorded ? {} : { by: 'unconfirmed' });
  }
  const told = await steps.db.execute(sql`SELECT 1 FROM outbox
    WHERE registration_id = ${row.id}::uuid AND kind = 'user.password_changed'`);
  expect(told).toHaveLength(2);
  const last = (await readTimeline(steps.db, row.id)).at(-1);
  expect(last?.event).toBe('user.signed_out_everywhere');
});

test('a sign-out that fails is tried until it succeeds', async ({ steps }) => {
  const row = await proved(steps);
  await promiseSignOut(steps.db, row.cognitoUsername ?? '', 0);
  await steps.pool.setFaults([
    { operation: 'AdminUserGlobalSignOut', times: 2, fault: { kind: 'server' } },
  ]);
  for (let attempt = 0; attempt < 3; attempt += 1) await relayPromises(steps);
  expect(await promises(steps)).toEqual([]);
  expect(await userOf(steps, row.cognitoUsername)).toBeDefined();
});
