import { takeMail } from '../../../../src/ledger/mail-limits.ts';
import { expect } from 'vitest';
import { type ApiUnderTest, freshScripts, newBody, problem } from '../api-under-test.ts';
import { test } from '../../../support/api-test.ts';

let token: string;
test.beforeAll(async ({ api }) => {
  token = api.issuer.token({ sub: 'operator' });
});
test.beforeEach(({ api }) => void Object.assign(api.scripts, freshScripts()));

async function registration(
  api: ApiUnderTest,
  columns: Record<string, unknown> = {},
): Promise<string> {
  const answer = await api.call('/registrations', { method: 'POST', json: newBody(), token });
  if (Object.keys(columns).length > 0) await api.row(answer.body.id, columns);
  return answer.body.id;
}

const instruction = (api: ApiUnderTest, id: string, name: string, more: object = {}) =>
  api.call(`/registrations/${id}/${name}`, { method: 'POST', token, ...more });
const lastOf = (answer: { body: { timeline: object[] } }) => answer.body.timeline.at(-1);

test('retry resumes a parked run, with or without a body', async ({ api }) => {
  const bodies = [
    {},
    { headers: { 'content-type': 'application/json' }, body: '' },
    { headers: { 'content-type': 'text/plain' }, body: '' },
    { json: {} },
    { json: { reason: null } },
  ];
  for (const body of bodies) {
    const id = await registration(api, { status: 'roles_pending' });
    const answer = await instruction(api, id, 'retry', body);
    expect(answer.status).toBe(202);
    expect(answer.body).toMatchObject({ id, status: 'running' });
    expect(lastOf(answer)).toMatchObject({
      event: 'registration.retry_requested',
      actor: 'operator',
      details: { reason: null },
    });
    expect(api.scripts.resumed.at(-1)).toEqual({ id, by: 'operator' });
  }
});

test('retry of a stuck cleanup leaves its status', async ({ api }) => {
  const id = await registration(api, { status: 'cleanup_required' });
  const answer = await instruction(api, id, 'retry', { json: { reason: 'mended' } });
  expect(answer.body.status).toBe('cleanup_required');
  expect(lastOf(answer)).toMatchObject({ details: { reason: 'mended' } });
  expect(api.scripts.resumed).toEqual([{ id, by: 'operator' }]);
});

const CANCELLING = {
  instruction: 'cancel',
  instruction_actor: 'operator',
  instruction_at: new Date(),
};
const AGAIN = 'Register the person again';
/** What holds, and what to do: for a retry, and for other roles. */
const NOT_PARKED: [string, Record<string, unknown>, string[] | null, string[]][] = [
  ['accepted', {}, ['still running', 'Wait'], ['still running', 'only while it is parked', 'Wait']],
  ['running', {}, ['still running', 'Wait'], ['still running', 'only while it is parked', 'Wait']],
  ['running', CANCELLING, ['being cancelled', AGAIN], ['being cancelled', AGAIN]],
  ['roles_pending', CANCELLING, ['being cancelled', AGAIN], ['being cancelled', AGAIN]],
  ['compensating', {}, ['being undone', AGAIN], ['being undone', AGAIN]],
  ['cleanup_required', {}, null, ['being undone', 'keeps failing', '/retry`']],
  ['completed', {}, ['is completed', 'cannot be retried'], ['is completed', 'PUT /users/']],
  ['failed', {}, ['is `failed`', AGAIN], ['is `failed`', AGAIN]],
  ['cancelled', {}, ['is `cancelled`', AGAIN], ['is `cancelled`', AGAIN]],
];

test.for(NOT_PARKED)(
  'not_parked while %s %o says what holds and what to do',
  async ([status, columns, retry, roles], { api }) => {
    const id = await registration(api, { status, ...columns });
    const answers = [
      ...(retry ? [{ words: retry, answer: await instruction(api, id, 'retry') }] : []),
      {
        words: roles,
        answer: await instruction(api, id, 'roles', { method: 'PUT', json: { roles: ['viewer'] } }),
      },
    ];
    for (const { words, answer } of answers) {
      expect(answer.body).toEqual({
        ...problem(answer, 'not_parked', 409, 'Not parked'),
        registrationId: id,
      });
      for (const word of words) expect(answer.body.detail).toContain(word);
    }
    expect(api.scripts.resumed).toEqual([]);
  },
);

test.for(['accepted', 'running', 'roles_pending'])(
  'cancel while %s is recorded and signals the run',
  async (status, { api }) => {
    const id = await registration(api, { status });
    const answer = await instruction(api, id, 'cancel', { json: { reason: 'a mistake' } });
    expect(answer.status).toBe(202);
    expect(answer.body.status).toBe(status);
    expect(lastOf(answer)).toMatchObject({
      event: 'registration.cancel_requested',
      details: { reason: 'a mistake' },
    });
    expect(api.scripts.cancelled).toEqual([id]);
    const [row] =
      await api.sql`SELECT instruction, instruction_actor, instruction_reason FROM registrations WHERE id = ${id}`;
    expect(row).toEqual({
      instruction: 'cancel',
      instruction_actor: 'operator',
      instruction_reason: 'a mistake',
    });
  },
);

test.for(['compensating', 'cleanup_required'])(
  'cancel while %s is audited and changes nothing',
  async (status, { api }) => {
    const id = await registration(api, { status });
    const answer = await instruction(api, id, 'cancel');
    expect(answer.status).toBe(202);
    expect(answer.body.status).toBe(status);
    expect(lastOf(answer)).toMatchObject({ event: 'registration.cancel_requested' });
    expect(api.scripts.cancelled).toEqual([]);
    const [row] = await api.sql`SELECT instruction FROM registrations WHERE id = ${id}`;
    expect(row).toEqual({ instruction: null });
  },
);

test.for(['completed', 'failed', 'cancelled'])(
  'cancel when %s answers 409',
  async (status, { api }) => {
    const id = await registration(api, { status });
    const answer = await instruction(api, id, 'cancel');
    expect(answer.body).toEqual({
      ...problem(answer, 'already_closed', 409, 'Already closed'),
      detail:
        'The registration or change is closed, or can no longer be cancelled; nothing was changed.',
      registrationId: id,
    });
  },
);

test('a replacement of the roles is validated, recorded and resumes the run', async ({ api }) => {
  const id = await registration(api, { status: 'roles_pending' });
  const put = (json: unknown, by = token) =>
    api.call(`/registrations/${id}/roles`, { method: 'PUT', json, token: by });
  const manager = api.issuer.token({ 'cognito:groups': ['manager'] });
  expect((await put({ roles: ['admin'] }, manager)).body).toMatchObject({
    code: 'role_not_grantable',
    errors: [{ pointer: '#/roles/0' }],
  });
  expect((await put({ roles: ['viewer', 'ghost'] })).body).toMatchObject({
    code: 'unknown_role',
    errors: [{ pointer: '#/roles/1' }],
  });
  expect((await put({})).body.errors).toEqual([
    { pointer: '#/roles', code: 'required', detail: 'This field is required.' },
  ]);
  expect(api.scripts.resumed).toEqual([]);
  const answer = await put({ roles: ['researcher', 'admin', 'admin'], reason: 'moved' });
  expect(answer.status).toBe(202);
  expect(answer.body).toMatchObject({ status: 'running', roles: ['researcher', 'admin'] });
  expect(lastOf(answer)).toMatchObject({
    event: 'registration.roles_requested',
    details: { reason: 'moved', roles: ['researcher', 'admin'] },
  });
  expect(api.scripts.resumed).toEqual([{ id, by: 'operator' }]);
});

test('a run that cannot be reached does not fail the instruction: the sweep delivers it', async ({
  api,
}) => {
  const id = await registration(api, { status: 'roles_pending' });
  const app = api.app({
    runs: { ...api.deps.runs, resume: () => Promise.reject(new Error('Temporal is away')) },
  });
  expect((await instruction(api, id, 'retry', { app })).status).toBe(202);
  expect(api.scripts.logged).toContainEqual({
    level: 'warn',
    fields: { registrationId: id, error: 'Error' },
    message: 'signal failed; the sweep will retry',
  });
});

const completed = { status: 'completed', cognito_username: 'u-1', user_id: 's-1' };

test('an invitation is queued again for a user who has not chosen a password', async ({ api }) => {
  const id = await registration(api, completed);
  const answer = await instruction(api, id, 'invitation');
  expect(answer.status).toBe(202);
  expect(answer.body.invitation.status).toBe('pending');
  expect(lastOf(answer)).toMatchObject({ event: 'invitation.requested', actor: 'operator' });
  const [queued] =
    await api.sql`SELECT count(*)::int AS n FROM outbox WHERE registration_id = ${id}`;
  expect(queued).toEqual({ n: 1 });
});

test('thirty requests for an invitation queue one mail while it waits, and five in an hour at most', async ({
  api,
}) => {
  const id = await registration(api, completed);
  const queued = async () => {
    const [row] =
      await api.sql`SELECT count(*)::int AS n FROM outbox WHERE registration_id = ${id}`;
    return row?.['n'] as number;
  };
  const all = await Promise.all(
    Array.from({ length: 30 }, () => instruction(api, id, 'invitation')),
  );
  expect(all.map(({ status }) => status)).toEqual(all.map(() => 202));
  expect(await queued()).toBe(1);
  const [row] = await api.sql`SELECT email FROM registrations WHERE id = ${id}`;
  const email = row?.['email'] as string;
  // As a relay that sends what was queued.
  const sent = async () => {
    expect(await takeMail(api.deps.db, { email, publicPerDay: null })).toEqual({ kind: 'allowed' });
    await api.sql`UPDATE outbox_deliveries d SET delivered_at = now(), mail_attempted_at = now()
      FROM outbox o WHERE o.id = d.outbox_id AND o.registration_id = ${id} AND delivered_at IS NULL`;
  };
  for (let mails = 1; mails < 5; mails += 1) {
    await sent();
    expect((await instruction(api, id, 'invitation')).status).toBe(202);
  }
  await sent();
  const refused = await Promise.all(
    Array.from({ length: 5 }, () => instruction(api, id, 'invitation')),
  );
  for (const answer of refused) {
    expect(answer.status).toBe(429);
    expect(answer.body).toMatchObject({ code: 'rate_limited', registrationId: id });
    const seconds = Number(answer.headers.get('retry-after'));
    expect(seconds).toBeGreaterThan(3000);
    expect(seconds).toBeLessThanOrEqual(3600);
  }
  expect(await queued()).toBe(5);
  await api.sql`UPDATE mail_counts
    SET sent_at = ARRAY(SELECT sent - interval '61 minutes' FROM unnest(sent_at) AS sent)`;
  expect((await instruction(api, id, 'invitation')).status).toBe(202);
});

test('an invitation that was given up is settled once the person has a password', async ({
  api,
}) => {
  const id = await registration(api, {
    ...completed,
    invitation_status: 'pending',
    invitation_failure: api.sql.json({
      code: 'mail_unconfirmed',
      cause: 'mail_unconfirmed',
      detail: 'no answer',
    }),
  });
  const receipt = () => api.call(`/registrations/${id}`, { token });
  expect((await receipt()).body.invitation).toEqual({
    status: 'pending',
    sentAt: null,
    expiresAt: null,
    failure: { code: 'mail_unconfirmed', cause: 'mail_unconfirmed', detail: 'no answer' },
  });
  api.scripts.passwordState = async () => 'has_password';
  expect((await instruction(api, id, 'invitation')).body.code).toBe('invitation_not_due');
  expect((await receipt()).body.invitation).toMatchObject({ status: 'none', failure: null });
});

test('no invitation is due before completion, with a password, or without the user', async ({
  api,
}) => {
  const done = { status: 'done', attempts: 1, lastError: null };
  const refused = async (columns: Record<string, unknown>) => {
    const id = await registration(api, columns);
    const answer = await instruction(api, id, 'invitation');
    expect(answer.status).toBe(409);
    expect(answer.body).toMatchObject({ code: 'invitation_not_due', registrationId: id });
  };
  await refused({ status: 'running' });
  await refused({ status: 'failed' });
  await refused({ ...completed, steps: api.sql.json({ setPassword: done }) });
  for (const state of ['has_password', null] as const) {
    api.scripts.passwordState = async () => state;
    await refused(completed);
  }
});

test('instructions validate their bodies', async ({ api }) => {
  const id = await registration(api, { status: 'roles_pending' });
  const unknown = await instruction(api, id, 'retry', { json: { why: 'x' } });
  expect(unknown.body.errors).toEqual([
    { pointer: '#/why', code: 'unknown_field', detail: 'Unknown field.' },
  ]);
  expect((await instruction(api, id, 'cancel', { json: { reason: 'a\0' } })).status).toBe(422);
  expect((await instruction(api, id, 'cancel', { json: { reason: 'x'.repeat(501) } })).status).toBe(
    422,
  );
  for (const json of [{ why: 'x' }, { reason: 'x'.repeat(501) }]) {
    expect((await instruction(api, id, 'invitation', { json })).status).toBe(422);
  }
  const json = { 'content-type': 'application/json' };
  expect((await instruction(api, id, 'retry', { body: '{', headers: json })).body.code).toBe(
    'malformed_json',
  );
  const text = { 'content-type': 'text/plain' };
  expect((await instruction(api, id, 'retry', { body: 'x', headers: text })).status).toBe(415);
  expect(api.scripts.resumed).toEqual([]);
});
