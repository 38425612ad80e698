import { randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { expect } from 'vitest';
import { promiseSignOut, confirmReset } from '../../../src/ledger/outbox/account-deliveries.ts';
import { recordAccountEvents } from '../../../src/ledger/registrations/account-events.ts';
import { recordUserDeleted } from '../../../src/ledger/registrations/compensation.ts';
import { recordRoleRemoved } from '../../../src/ledger/registrations/roles.ts';
import {
  cutOffTokens,
  forgetOldCutoffs,
  readTokenCutoffs,
} from '../../../src/ledger/token-cutoffs.ts';
import type { Ledger } from './ledger-under-test.ts';
import { test } from '../../support/ledger-test.ts';

const START = { changedAt: 0, userId: '' };

async function causes(ledger: Ledger, userId: string): Promise<string[]> {
  const found = (await readTokenCutoffs(ledger.db, START, 1000)).find(
    (cutoff) => cutoff.userId === userId,
  );
  return [
    ...(found?.sessionsEndedAt ? ['sessions_ended'] : []),
    ...(found?.rolesChangedAt ? ['roles_changed'] : []),
  ];
}

test('a person has one cutoff, whose times only move forward', async ({ ledger }) => {
  const userId = randomUUID();
  await cutOffTokens(ledger.db, userId, 'roles_changed');
  await ledger.db.execute(sql`UPDATE token_cutoffs SET roles_changed_at = now() + interval '1 hour',
    changed_at = now() + interval '1 hour' WHERE user_id = ${userId}`);
  const read = async () =>
    (await readTokenCutoffs(ledger.db, START, 1000)).filter((one) => one.userId === userId);
  const [before] = await read();
  await cutOffTokens(ledger.db, userId, 'roles_changed');
  expect(await read()).toEqual([before]);
  await cutOffTokens(ledger.db, userId, 'sessions_ended');
  expect(await read()).toEqual([{ ...before, sessionsEndedAt: expect.any(Number) }]);
  expect((before?.rolesChangedAt ?? 0) - Date.now()).toBeGreaterThan(3_000_000);
});

test('pages meet every cutoff once, also those of one time', async ({ emptyLedger: ledger }) => {
  await ledger.db.execute(sql`INSERT INTO token_cutoffs (user_id, sessions_ended_at, changed_at)
    SELECT 'u' || n, now(), now() + make_interval(secs => n / 4) FROM generate_series(1, 23) AS n`);
  const met: string[] = [];
  for (let after = START; ;) {
    const page = await readTokenCutoffs(ledger.db, after, 5);
    met.push(...page.map(({ userId }) => userId));
    const last = page.at(-1);
    if (!last) break;
    after = last;
  }
  expect([met.length, new Set(met).size]).toEqual([23, 23]);
});

test('a cutoff older than any token is removed, and a younger one stays', async ({ ledger }) => {
  const [old, young] = [randomUUID(), randomUUID()];
  for (const userId of [old, young]) await cutOffTokens(ledger.db, userId, 'sessions_ended');
  const age = async (userId: string, hours: number) =>
    await ledger.db.execute(sql`UPDATE token_cutoffs
      SET changed_at = now() - make_interval(hours => ${hours}) WHERE user_id = ${userId}`);
  await age(old, 26);
  await age(young, 24);
  await forgetOldCutoffs(ledger.db);
  expect([await causes(ledger, old), await causes(ledger, young)]).toEqual([
    [],
    ['sessions_ended'],
  ]);
});

test('a rolled back transaction cuts nothing off', async ({ ledger }) => {
  const userId = randomUUID();
  const undone = ledger.db.transaction(async (tx) => {
    await cutOffTokens(tx, userId, 'sessions_ended');
    throw new Error('undone');
  });
  await expect(undone).rejects.toThrow('undone');
  expect(await causes(ledger, userId)).toEqual([]);
});

test('of the account events, only the end of all sessions cuts tokens off', async ({ ledger }) => {
  const userId = randomUUID();
  await recordAccountEvents(ledger.db, userId, userId, ['user.password_changed']);
  expect(await causes(ledger, userId)).toEqual([]);
  await recordAccountEvents(ledger.db, userId, userId, ['user.signed_out_everywhere']);
  expect(await causes(ledger, userId)).toEqual(['sessions_ended']);
});

test('a confirmed reset cuts tokens off before the sessions are ended', async ({ ledger }) => {
  const userId = randomUUID();
  const promise = await promiseSignOut(ledger.db, userId, 30);
  expect(await causes(ledger, userId)).toEqual([]);
  await confirmReset(ledger.db, promise, userId);
  expect(await causes(ledger, userId)).toEqual(['sessions_ended']);
});

test('undoing a registration cuts off the tokens of the user that it deletes', async ({
  ledger,
}) => {
  const { id, userId } = await ledger.at('compensating');
  await recordUserDeleted(ledger.db, id, {});
  expect(await causes(ledger, userId ?? '')).toEqual(['sessions_ended']);
});

test('a role that is taken from the user of a parked registration cuts tokens off', async ({
  ledger,
}) => {
  const { id, userId, roles } = await ledger.at('running');
  const done = { status: 'done', attempts: 1, lastError: null } as const;
  await recordRoleRemoved(ledger.db, id, roles[0] ?? '', { 'removeRole:x': done });
  expect(await causes(ledger, userId ?? '')).toEqual([]);
  await recordRoleRemoved(ledger.db, id, 'other', { 'removeRole:other': done });
  expect(await causes(ledger, userId ?? '')).toEqual(['roles_changed']);
});
