import { randomBytes } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { outboxFrom, adoptEvents } from '../../src/ledger/outbox/event-deliveries.ts';
import { Ledger } from '../integration/ledger/ledger-under-test.ts';
import { Deployment } from '../support/deployment.ts';

let ledger: Ledger;
let deployment: Deployment;
beforeAll(async () => {
  ledger = await Ledger.start();
  deployment = await Deployment.make({
    database: ledger.database,
    env: {
      EVENTS_WEBHOOK_URL: 'https://hooks.example.com/',
      EVENTS_WEBHOOK_SECRET: `whsec_${randomBytes(24).toString('base64')}`,
    },
  });
});
afterAll(async () => {
  await deployment.stop();
  await ledger.stop();
});

const redeliver = (...args: string[]) => deployment.command('cli/redeliver.ts', {}, args);

test('npm run redeliver: what was given up, and what was never told, is due', async () => {
  await ledger.at('completed');
  await adoptEvents(ledger.db, ['webhook'], outboxFrom(new Date(0)), 10);
  await ledger.db.execute(sql`UPDATE outbox_deliveries SET given_up_at = now(), attempts = 10
    WHERE destination = 'webhook'`);
  await ledger.at('completed');
  await ledger.db.execute(sql`UPDATE outbox SET occurred_at = occurred_at - interval '1 year'`);

  const found = '{"destination":"webhook","waiting":0,"givenUp":1,"untold":1}\n';
  const dry = await redeliver('--since', '2020-01-01', '--dry-run');
  expect(dry).toEqual({ code: 0, output: found });
  expect(await redeliver('--since', '2020-01-01')).toEqual({ code: 0, output: found });
  const after = '{"destination":"webhook","waiting":2,"givenUp":0,"untold":0}\n';
  expect(await redeliver('--since', '2020-01-01', '--dry-run')).toEqual({ code: 0, output: after });

  const unknown = await redeliver('--destination', 'amqp');
  expect(unknown.code).toBe(1);
  expect(unknown.output).toContain('The destination is not configured');
  expect((await redeliver('--since', 'yesterday')).output).toContain(
    '--since is not a valid date.',
  );
});

test('npm run redeliver --now: what waits is due at once, but a mail that may have gone out', async () => {
  await ledger.at('completed');
  const lost = await ledger.at('completed');
  await adoptEvents(ledger.db, ['webhook'], outboxFrom(new Date(0)), 10);
  await ledger.db.execute(sql`UPDATE outbox_deliveries
    SET next_attempt_at = now() + interval '1 hour', delivered_at = NULL, given_up_at = NULL`);
  await ledger.db.execute(sql`UPDATE outbox_deliveries d SET mail_attempted_at = now()
    FROM outbox o WHERE o.id = d.outbox_id AND destination = 'cognito-mail'
      AND o.registration_id = ${lost.id}::uuid`);
  const due = async (destination: string) => {
    const rows = await ledger.db.execute(sql`SELECT 1 FROM outbox_deliveries
      WHERE destination = ${destination} AND next_attempt_at <= now()`);
    return rows.length;
  };
  expect((await redeliver()).code).toBe(0);
  expect((await redeliver('--now', '--dry-run')).code).toBe(0);
  expect([await due('webhook'), await due('cognito-mail')]).toEqual([0, 0]);
  await redeliver('--now', '--since', '2126-01-01');
  await redeliver('--now', '--destination', 'webhook');
  expect([await due('webhook'), await due('cognito-mail')]).toEqual([4, 0]);
  const { code, output } = await redeliver('--now');
  expect({ code, destinations: output.match(/"destination":"[\w-]+"/g) }).toEqual({
    code: 0,
    destinations: ['"destination":"webhook"', '"destination":"cognito-mail"'],
  });
  expect(await due('cognito-mail')).toBe(3);

  const mail = await redeliver('--destination', 'cognito-mail');
  expect(mail.code).toBe(1);
  expect(mail.output).toContain('POST /registrations/{id}/invitation');
});
