import { randomBytes } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { expect } from 'vitest';
import { createWebhook } from '../../../../activities/relay/webhook.ts';
import { adoptEvents, outboxFrom } from '../../../../src/ledger/outbox/event-deliveries.ts';
import { recordComparison } from '../../../../src/ledger/compare.ts';
import { test as consoleTest } from '../../../support/console-test.ts';
import { eventually } from '../../../support/eventually.ts';
import { startReceiver } from '../../../support/receiver.ts';
import { Relays } from '../../../support/relays.ts';
import { Ledger } from '../../ledger/ledger-under-test.ts';

const test = consoleTest.extend(
  'relays',
  { scope: 'file' },
  async ({ database, pool }, { onCleanup }) => {
    const ledger = await Ledger.on(database);
    const relays = new Relays(ledger, pool);
    onCleanup(async () => {
      await relays.stop();
      await ledger.stop();
    });
    return relays;
  },
);

test.afterEach(({ relays }) => relays.clear());

const DELIVER_NOW = '/console/system/redeliver?destination=webhook&waiting=true';
const DELIVER_AGAIN = '/console/system/redeliver?destination=webhook';
const linked = (path: string) => `href="${path.replaceAll('&', '&amp;')}"`;

test('a webhook that was dead gets its events at once after a press of deliver now', async ({
  administrator: { browser },
  relays,
}) => {
  let isDead = true;
  const receiver = await startReceiver((response) => {
    response.writeHead(isDead ? 503 : 204, isDead ? { 'retry-after': '36000' } : {}).end();
  });
  const webhook = createWebhook({
    url: receiver.url,
    secret: `whsec_${randomBytes(32).toString('base64')}`,
    allowsNearby: true,
  });
  try {
    await relays.completed(3);
    relays.begin(webhook);
    await eventually(async () => {
      const deliveries = await relays.deliveries('webhook');
      return deliveries.length === 3 && deliveries.every(({ dueInSeconds }) => dueInSeconds > 600);
    });
    const before = await browser.get('/console/system');
    expect(before.html).toContain('HTTP 503');
    expect(before.html).toMatch(/in (9|10) hours/);
    expect(before.html).toContain(linked(DELIVER_NOW));
    expect(before.html).not.toContain(linked(DELIVER_AGAIN));

    isDead = false;
    const sent = await browser.submit(await browser.get(DELIVER_NOW));
    expect([sent.status, sent.location]).toEqual([303, '/console/system']);
    expect((await browser.follow(sent)).html).toContain(
      'Deliveries to webhook that are due now: 3.',
    );
    await eventually(async () =>
      (await relays.deliveries('webhook')).every(({ delivered }) => delivered),
    );
    expect((await browser.get('/console/system')).html).not.toContain(linked(DELIVER_NOW));
  } finally {
    await relays.stopShifts();
    await receiver.close();
  }
});

test('deliveries that were given up are due again after one press, and a second press moves none', async ({
  administrator: { browser },
  relays,
}) => {
  await relays.completed(2);
  await adoptEvents(relays.ledger.db, ['webhook'], outboxFrom(new Date(0)), 10);
  await relays.ledger.db.execute(sql`UPDATE outbox_deliveries
    SET given_up_at = now(), last_error = 'HTTP 410'`);
  const page = await browser.get('/console/system');
  expect(page.html).toContain('needs a person');
  expect(page.html).toContain(linked(DELIVER_AGAIN));
  const sent = await browser.submit(await browser.get(DELIVER_AGAIN));
  expect((await browser.follow(sent)).html).toContain('Deliveries to webhook that are due now: 2.');
  const deliveries = await relays.deliveries('webhook');
  expect(deliveries).toMatchObject([{ givenUp: false }, { givenUp: false }]);
  const again = await browser.submit(await browser.get(DELIVER_AGAIN));
  expect((await browser.follow(again)).html).toContain('No delivery to webhook was left to move.');
});

test('an unknown destination and one that is not configured are refused with the reason', async ({
  administrator: { browser },
}) => {
  for (const [destination, why] of [
    ['amqp', 'This destination is not configured.'],
    ['<script>alert(1)</script>', 'Request validation failed'],
  ] as const) {
    const path = `/console/system/redeliver?destination=${encodeURIComponent(destination)}`;
    const question = await browser.get(DELIVER_AGAIN);
    const { status, html } = await browser.submit({
      ...question,
      html: question.html.replaceAll(DELIVER_AGAIN, path),
    });
    expect(status).toBe(422);
    expect(html).toContain(why);
    expect(html).not.toContain('<script>alert');
  }
  const { html } = await browser.get('/console/system');
  expect(html).toContain('not configured');
});

test('markup in the last error of a destination is shown as text', async ({
  administrator: { browser },
  relays,
}) => {
  await relays.completed(1);
  await adoptEvents(relays.ledger.db, ['webhook'], outboxFrom(new Date(0)), 10);
  await relays.ledger.db.execute(sql`UPDATE outbox_deliveries
    SET given_up_at = now(), last_error = '<script>alert("gone")</script>'`);
  for (const path of ['/console/system', '/console']) {
    const { html } = await browser.get(path);
    expect(html).toContain('&lt;script&gt;alert(');
    expect(html).not.toContain('<script>alert');
  }
});

test('the system page shows schedules, workers and quotas, and what is missing', async ({
  site,
}) => {
  const ran = new Date(Date.now() - 61_000);
  const schedule = { exists: true, lastRunAt: ran, lastOutcome: 'timed_out', nextRunAt: ran };
  const { temporal } = site.api.deps;
  const live = site.with({
    temporal: {
      ...temporal,
      overview: async () => ({
        away: null,
        isPolled: false,
        schedules: [
          { ...schedule, name: 'sweepRegistrations' },
          {
            name: 'comparePool',
            exists: false,
            lastRunAt: null,
            lastOutcome: null,
            nextRunAt: null,
          },
        ],
      }),
    },
  });
  const { browser } = await live.operator('admin');
  const { html } = await browser.get('/console/system');
  expect(html).toContain('none is running');
  expect(html).toContain('timed out');
  expect(html).toContain('1 minute ago');
  expect(html).toMatch(/comparePool.*missing/s);
  expect(html).toContain('npm run setup');
  expect(html).toMatch(/background update.*3\.2/s);
  const board = await browser.get('/console');
  expect(board.html).toContain('No worker is running');
  expect(board.html).toMatch(/Schedules are missing.*comparePool.*npm run setup/s);
});

test('the system page is shown while Temporal is away, without what only Temporal knows', async ({
  administrator: { browser },
}) => {
  const { status, html } = await browser.get('/console/system');
  expect(status).toBe(200);
  expect(html).toContain('is not connected');
  expect(html).toContain('unknown: only Temporal knows');
  expect(html).toContain('sweepRegistrations');
});

test('a comparison that found differences is shown with its counts and what to do', async ({
  administrator: { browser },
  relays,
}) => {
  expect((await browser.get('/console/system')).html).toContain('None has finished yet.');
  const counts = { users: 3, agreeing: 1, underWay: 0, young: 0, foreign: 0, asked: 0, unasked: 0 };
  const kinds = { orphan: 2, leftover: 0, twin: 0, vanished: 0, unmarked: 0 };
  const finding = { kind: 'orphan', registrationId: null, userId: 'somebody' } as const;
  const found = { ...counts, ...kinds, rolesRead: 0, rolesDiffer: 0, advice: [] };
  await recordComparison(relays.ledger.db, {
    startedAt: Date.now() - 60_000,
    report: { ...found, findings: [finding] },
  });
  for (const path of ['/console/system', '/console']) {
    const { html } = await browser.get(path);
    expect(html).toContain('2 orphan');
    expect(html).toContain('npm run compare-pool');
  }
});

test('an operator without every grant gets a page that says so, and moves no delivery', async ({
  manager: { browser },
  relays,
}) => {
  const page = await browser.get('/console/system');
  expect(page.status).toBe(403);
  expect(page.html).toContain('operators who may assign every role');
  expect(page.html).not.toContain('webhook');
  await relays.completed(1);
  await adoptEvents(relays.ledger.db, ['webhook'], outboxFrom(new Date(0)), 10);
  await relays.ledger.db.execute(sql`UPDATE outbox_deliveries SET given_up_at = now()`);
  const sent = await browser.submit(await browser.get(DELIVER_AGAIN));
  expect(sent.status).toBe(403);
  expect(await relays.deliveries('webhook')).toMatchObject([{ givenUp: true }]);
});
