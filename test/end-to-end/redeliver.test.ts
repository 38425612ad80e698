import { randomBytes } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { expect } from 'vitest';
import { outboxFrom, adoptEvents } from '../../src/ledger/outbox/event-deliveries.ts';
import type { Deployment } from '../support/deployment.ts';
import { test } from '../support/deployment-test.ts';

test.override('deploymentOptions', {
  env: {
    EVENTS_WEBHOOK_URL: 'https://hooks.example.com/',
    EVENTS_WEBHOOK_SECRET: `whsec_${randomBytes(24).toString('base64')}`,
  },
});

const redeliver = (deployment: Deployment, ...args: string[]) =>
  deployment.command('cli/redeliver.ts', {}, args);

test('npm run redeliver makes deliveries due that were given up or never made', async ({
  ledger,
  deployment,
}) => {
  await ledger.at('completed');
  await adoptEvents(ledger.db, ['webhook'], outboxFrom(new Date(0)), 10);
  await ledger.db.execute(sql`UPDATE outbox_deliveries SET given_up_at = now(), attempts = 10
    WHERE destination = 'webhook'`);
  await ledger.at('completed');
  await ledger.db.execute(sql`UPDATE outbox SET occurred_at = occurred_at - interval '1 year'`);

  const found = '{"destination":"webhook","waiting":0,"givenUp":1,"untold":1}\n';
  const dry = await redeliver(deployment, '--since', '2020-01-01', '--dry-run');
  expect(dry).toEqual({ code: 0, output: found });
  expect(await redeliver(deployment, '--since', '2020-01-01')).toEqual({ code: 0, output: found });
  const after = '{"destination":"webhook","waiting":2,"givenUp":0,"untold":0}\n';
  expect(await redeliver(deployment, '--since', '2020-01-01', '--dry-run')).toEqual({
    code: 0,
    output: after,
  });

  const unknown = await redeliver(deployment, '--destination', 'amqp');
  expect(unknown.code).toBe(1);
  expect(unknown.output).toContain('The destination is not configured');
  expect((await redeliver(deployment, '--since', 'yesterday')).output).toContain(
    '--since is not a valid date.',
  );
});

test('npm run redeliver --now makes waiting deliveries due, except a mail that may have been sent', async ({
  ledger,
  deployment,
}) => {
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
  expect((await redeliver(deployment)).code).toBe(0);
  expect((await redeliver(deployment, '--now', '--dry-run')).code).toBe(0);
  expect([await due('webhook'), await due('cognito-mail')]).toEqual([0, 0]);
  await redeliver(deployment, '--now', '--since', '2126-01-01');
  await redeliver(deployment, '--now', '--destination', 'webhook');
  expect([await due('webhook'), await due('cognito-mail')]).toEqual([4, 0]);
  const { code, output } = await redeliver(deployment, '--now');
  expect({ code, destinations: output.match(/"destination":"[\w-]+"/g) }).toEqual({
    code: 0,
    destinations: ['webhook', 'cognito-mail', 'cognito-recovery', 'cognito-sign-out'].map(
      (name) => `"destination":"${name}"`,
    ),
  });
  expect(await due('cognito-mail')).toBe(3);

  const mail = await redeliver(deployment, '--destination', 'cognito-mail');
  expect(mail.code).toBe(1);
  expect(mail.output).toContain('POST /registrations/{id}/invitation');
});
