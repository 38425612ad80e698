import { randomUUID } from 'node:crypto';
import { sql, type SQL } from 'drizzle-orm';
import { PgDialect } from 'drizzle-orm/pg-core';
import { describe, expect } from 'vitest';
import { FAILURES } from '../../../../src/domain/failure.ts';
import type { ConsoleAnswer, ConsoleBrowser } from '../../../support/console-browser.ts';
import { test } from '../../../support/console-test.ts';
import { freshScripts, newBody, type ApiUnderTest } from '../api-under-test.ts';

const SCRIPT = '<script>alert(1)</script>';
const CODE = 'identity_provider_unavailable';
const RETRY = `/console/attention/retry?kind=registration&status=roles_pending&failureCode=${CODE}`;

test.beforeEach(async ({ api }) => {
  Object.assign(api.scripts, freshScripts());
  await api.sql`TRUNCATE registrations, changes, outbox CASCADE`;
});

async function parked(api: ApiUnderTest, columns: Record<string, unknown> = {}): Promise<string> {
  const { body } = await api.call('/registrations', { method: 'POST', json: newBody() });
  await api.row(body.id, {
    status: 'roles_pending',
    parked_at: new Date(Date.now() - 2 * 3_600_000),
    failure: { code: CODE, cause: 'provider_unavailable_parked', detail: 'parked' },
    ...columns,
  });
  return String(body.id);
}

/** A change of kind `disable` that is parked, as its run would leave it. */
async function parkedChange(api: ApiUnderTest, personRoles: string[]): Promise<string> {
  const id = randomUUID();
  await api.sql`INSERT INTO changes ${api.sql({
    id,
    kind: 'disable',
    status: 'parked',
    user_id: randomUUID(),
    registration_id: randomUUID(),
    person_roles: personRoles,
    requested_by: 'somebody',
    key_scope: 'somebody',
    request_hash: '',
    accepted_at: new Date(),
    parked_at: new Date(),
    failure: api.sql.json({ code: CODE, cause: 'provider_unavailable_parked', detail: 'parked' }),
  })}`;
  return id;
}

const has = ({ html }: ConsoleAnswer, path: string) =>
  html.includes(`href="${path.replaceAll('&', '&amp;')}"`);
const statusesOf = async (api: ApiUnderTest) => {
  const rows = await api.sql<{ status: string }[]>`SELECT status FROM registrations ORDER BY 1`;
  return rows.map(({ status }) => status);
};

describe('for an operator who sees everything', () => {
  test('the board says that nothing needs a person where nothing does', async ({ site }) => {
    const { temporal } = site.api.deps;
    const overview = async () => ({ away: null, isPolled: true, schedules: [] });
    const calm = site.with({ temporal: { ...temporal, overview } });
    const { browser } = await calm.operator('admin');
    const { status, html } = await browser.get('/console');
    expect(status).toBe(200);
    expect(html).toContain('Nothing needs a person.');
    expect(html).toContain('aria-label="Completed: none"');
    expect(html).toContain('No registration failed or is parked.');
    expect(html).not.toContain('What to do:');
  });

  test('each cause is a group with its age, its remedy, its list and its retry', async ({
    api,
    administrator: { browser },
  }) => {
    const [oldest] = [await parked(api), await parked(api, { parked_at: new Date() })];
    await parked(api, {
      failure: { code: 'identity_provider_refused', cause: 'refused_parked', detail: 'refused' },
    });
    const cleanup = await parked(api, {
      status: 'cleanup_required',
      failure: { code: 'registration_failed', cause: 'role_missing', detail: 'undone' },
    });
    const board = await browser.get('/console');
    expect(board.html).toContain('2 registrations');
    expect(board.html).toContain('2 hours ago');
    for (const cause of ['provider_unavailable_parked', 'refused_parked'] as const) {
      expect(board.html).toContain(FAILURES[cause].title);
      // Up to the first word that is shown as code.
      expect(board.html).toContain(FAILURES[cause].operator.split('`', 1)[0]);
    }
    expect(board.html).toContain(FAILURES.manual_cleanup_required.title);
    expect(board.html).toContain('Correct what prevents the cleanup');
    expect(has(board, RETRY)).toBe(true);
    expect(has(board, `/console/registrations/${oldest}/retry`)).toBe(true);
    expect(has(board, `/console/registrations/${cleanup}`)).toBe(true);
    const list = `/console/registrations?status=roles_pending&failureCode=${CODE}`;
    expect(has(board, list)).toBe(true);
    const listed = await browser.get(list);
    expect(listed.html).toContain('2 registrations');
    expect(has(listed, `/console/registrations/${oldest}`)).toBe(true);
    expect(has(listed, RETRY)).toBe(true);
  });

  test('a retry of a group leaves the other groups parked, and records who asked and why', async ({
    api,
    administrator: { browser },
  }) => {
    const ids = [await parked(api), await parked(api)];
    await parked(api, {
      failure: { code: 'identity_provider_refused', cause: 'refused_parked', detail: 'refused' },
    });
    const question = await browser.get(RETRY);
    expect(question.html).toContain('2 registrations');
    const sent = await browser.submit(question, { reason: 'it is back' });
    expect((await browser.follow(sent)).html).toContain('Retried 2 registrations. None remains.');
    await api.settled();
    expect(api.scripts.resumed.map(({ id }) => id).toSorted()).toEqual(ids.toSorted());
    expect(await statusesOf(api)).toEqual(['roles_pending', 'running', 'running']);
    const rows = await api.sql<{ actor: string; reason: string }[]>`SELECT actor,
        instruction_reason AS reason FROM audit_events e JOIN registrations r
        ON r.id = e.registration_id WHERE event = 'registration.retry_requested'`;
    expect(rows).toHaveLength(2);
    for (const { actor, reason } of rows) {
      expect(actor).toMatch(/^[0-9a-f-]{36}$/);
      expect(reason).toBe('it is back');
    }
    // The browser's button *Back*, and the same form again.
    const again = await browser.submit(question, { reason: 'it is back' });
    expect((await browser.follow(again)).html).toContain('Retried 0 registrations.');
  });

  test('a group of changes is retried by one press', async ({
    api,
    administrator: { browser },
  }) => {
    const id = await parkedChange(api, ['viewer']);
    const board = await browser.get('/console');
    expect(has(board, `/console/changes/${id}`)).toBe(true);
    expect(has(board, '/console/changes?status=parked')).toBe(true);
    const list = await browser.get('/console/changes?status=parked');
    expect(has(list, `/console/changes/${id}`)).toBe(true);
    const path = `/console/attention/retry?kind=change&status=parked&failureCode=${CODE}`;
    expect(has(board, path)).toBe(true);
    const sent = await browser.submit(await browser.get(path));
    expect((await browser.follow(sent)).html).toContain('Retried 1 change. None remains.');
  });

  test('an invitation that is not sent again leads to its registration', async ({
    api,
    administrator: { browser },
    manager,
  }) => {
    const { body } = await api.call('/registrations', { method: 'POST', json: newBody() });
    const { body: hidden } = await api.call('/registrations', {
      method: 'POST',
      json: newBody({ roles: ['admin'] }),
    });
    for (const [id, minutes] of [
      [body.id, 10],
      [hidden.id, 5],
    ] as const) {
      const { code, cause, detail } = {
        code: 'mail_unconfirmed',
        cause: 'mail_unconfirmed',
        detail: 'The mail is not confirmed.',
      };
      await api.row(id, { status: 'completed', invitation_failure: { code, cause, detail } });
      const outbox = randomUUID();
      await api.sql`INSERT INTO outbox (id, registration_id, kind, occurred_at)
        VALUES (${outbox}, ${id}, 'invitation', now())`;
      await api.sql`INSERT INTO outbox_deliveries (outbox_id, destination, next_attempt_at, given_up_at)
        VALUES (${outbox}, 'cognito-mail', now(), now() - ${`${minutes} minutes`}::interval)`;
    }
    const board = await browser.get('/console');
    expect(board.html).toContain('Open the oldest registration');
    expect(has(board, `/console/registrations/${body.id}`)).toBe(true);
    expect(has(board, '/console/invitations')).toBe(true);
    const all = await browser.get('/console/invitations');
    expect(all.html).toContain('10 minutes ago');
    expect(all.html.indexOf(body.id)).toBeLessThan(all.html.indexOf(hidden.id));
    const some = await manager.browser.get('/console/invitations');
    expect(has(some, `/console/registrations/${body.id}`)).toBe(true);
    expect(has(some, `/console/registrations/${hidden.id}`)).toBe(false);
  });

  test('the charts show what became of registrations, for a day and for two weeks', async ({
    api,
    administrator: { browser },
  }) => {
    await parked(api);
    await api.row(await parked(api), { status: 'failed', finished_at: new Date() });
    await api.row(await parked(api), {
      status: 'completed',
      failure: null,
      accepted_at: new Date(Date.now() - 3 * 86_400_000),
    });
    const day = await browser.get('/console');
    expect(day.html).toContain('aria-label="Completed: none"');
    expect(day.html).toContain('aria-label="Open: 1, at most 1 in one hour"');
    expect(day.html).toContain('aria-label="Failed or cancelled: 1, at most 1 in one hour"');
    expect(has(day, `/console/registrations?failureCode=${CODE}`)).toBe(true);
    const fortnight = await browser.get('/console?span=fortnight');
    expect(fortnight.html).toContain('aria-label="Completed: 1, at most 1 in one day"');
  });

  test('what needs a person is shown even if the charts take too long', async ({
    api,
    site,
    administrator,
  }) => {
    await parked(api);
    const { db } = site.deps;
    const slow: typeof db = Object.create(db, {
      execute: {
        value: async (query: SQL) => {
          const text = new PgDialect().sqlToQuery(query).sql;
          if (!text.includes('generate_series')) return await db.execute(query);
          return await db.transaction(async (tx) => {
            await tx.execute(sql`SET LOCAL statement_timeout = 10`);
            return await tx.execute(sql`SELECT pg_sleep(5)`);
          });
        },
      },
    }) as typeof db;
    const browser = site.with({ db: slow }).browser();
    for (const [name, value] of administrator.browser.cookies) browser.cookies.set(name, value);
    const { status, html } = await browser.get('/console');
    expect(status).toBe(200);
    expect(html).toContain('The database did not count the registrations in time.');
    expect(html).toContain('Retry 1 registration');
  });

  test('the board says what keeps Temporal away, and still shows the ledger', async ({
    api,
    administrator: { browser },
  }) => {
    await parked(api);
    const { status, html } = await browser.get('/console');
    expect(status).toBe(200);
    expect(html).toContain('Temporal is not connected');
    expect(html).toContain('Retry 1 registration');
  });

  test('markup in addresses, roles and codes is shown as text', async ({
    api,
    administrator: { browser },
  }) => {
    await parked(api, {
      email: `${SCRIPT}@example.com`,
      roles: [SCRIPT],
      failure: { code: SCRIPT, cause: SCRIPT, detail: SCRIPT },
    });
    for (const path of [
      '/console',
      '/console/registrations',
      `/console/attention/retry?kind=${encodeURIComponent(SCRIPT)}&status=${encodeURIComponent(SCRIPT)}`,
      `/console/registrations?status=${encodeURIComponent(SCRIPT)}`,
      `/console/registrations?failureCode=${encodeURIComponent(`"><script>alert(1)`)}`,
      `/console?span=${encodeURIComponent(SCRIPT)}`,
    ]) {
      const { html } = await browser.get(path);
      expect(html).not.toContain('<script>alert');
    }
    expect((await browser.get('/console/registrations')).html).toContain('&lt;script&gt;alert(1)');
  });

  test('a retry that the API refuses is answered with its reason, and nothing happens', async ({
    api,
    administrator: { browser },
  }) => {
    await parked(api);
    const question = await browser.get(RETRY);
    const path = '/console/attention/retry?kind=registration&status=completed';
    const { status, html } = await browser.submit({
      ...question,
      html: question.html.replaceAll(RETRY.replaceAll('&', '&amp;'), path.replaceAll('&', '&amp;')),
    });
    expect(status).toBe(422);
    expect(html).toContain('Request validation failed');
    expect(await statusesOf(api)).toEqual(['roles_pending']);
  });
});

describe('a list of registrations', () => {
  async function follow(browser: ConsoleBrowser, from: string): Promise<string[]> {
    const page = await browser.get(from);
    const ids = [...page.html.matchAll(/href="\/console\/registrations\/([0-9a-f-]{36})"/g)];
    const next = /href="([^"]*)" rel="next"/.exec(page.html)?.[1]?.replaceAll('&amp;', '&');
    const more = next === undefined ? [] : await follow(browser, next);
    return [...ids.map(([, id = '']) => id), ...more];
  }

  test('has every registration once over its pages', async ({
    api,
    administrator: { browser },
  }) => {
    const ids: string[] = [];
    for (let made = 0; made < 60; made += 1) ids.push(await parked(api));
    const first = await browser.get('/console/registrations?status=roles_pending&failureCode=');
    expect(first.html).toContain('60 registrations');
    const listed = await follow(browser, '/console/registrations?status=roles_pending');
    expect(listed.toSorted()).toEqual(ids.toSorted());
  });

  test('says what is wrong with a filter or a cursor', async ({ administrator: { browser } }) => {
    const wrong = await browser.get('/console/registrations?status=nonsense');
    expect(wrong.status).toBe(422);
    const cursor = await browser.get('/console/registrations?cursor=nonsense');
    expect(cursor.html).toContain(FAILURES.invalid_cursor.publicText);
  });
});

describe('for an operator with some grants', () => {
  test('the board shows and retries only what the operator may see', async ({
    api,
    manager: { browser },
  }) => {
    const seen = await parked(api);
    const hidden = await parked(api, { roles: ['viewer', 'admin'] });
    const change = await parkedChange(api, ['viewer']);
    await parkedChange(api, ['admin']);
    const board = await browser.get('/console');
    expect(board.status).toBe(200);
    expect(has(board, `/console/registrations/${seen}`)).toBe(true);
    expect(has(board, `/console/registrations/${seen}/retry`)).toBe(true);
    expect(has(board, `/console/changes/${change}`)).toBe(true);
    expect(board.html).not.toContain(hidden);
    expect(board.html).not.toContain('Registrations over time');
    expect(board.html).toContain('Retry 1 registration');
    const path = '/console/attention/retry?kind=registration&status=roles_pending';
    expect(has(board, path)).toBe(true);
    const sent = await browser.submit(await browser.get(path));
    expect((await browser.follow(sent)).html).toContain('Retried 1 registration. None remains.');
    await api.settled();
    expect(api.scripts.resumed.map(({ id }) => id)).toEqual([seen]);
  });

  test('the board is calm where nothing that the operator may see needs a person', async ({
    api,
    manager: { browser },
  }) => {
    await parked(api, { roles: ['admin'] });
    const { html } = await browser.get('/console');
    expect(html).toContain('Nothing that you may see needs a person.');
  });
});
