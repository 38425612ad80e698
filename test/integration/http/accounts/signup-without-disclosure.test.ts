import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import type { AppDeps } from '../../../../src/http/app.ts';
import { type Answer, type ApiUnderTest, freshScripts } from '../api-under-test.ts';
import { test } from '../../../support/api-test.ts';

/** Asynchronous sign-up tells a prober nothing. */

test.beforeEach(({ api }) => void Object.assign(api.scripts, freshScripts()));

const MESSAGE = 'Registration accepted. You can sign in as soon as it is complete.';

function newBody(more: Record<string, unknown> = {}) {
  const name = randomUUID().slice(0, 8);
  return { email: `${name}@example.com`, username: `u-${name}`, password: 'Analytical1', ...more };
}

const appOf = (api: ApiUnderTest, more: Partial<AppDeps> = {}) =>
  api.app({ doors: new Set(['signup']), ...more });

function register(
  api: ApiUnderTest,
  json: unknown,
  headers: Record<string, string> = { prefer: 'respond-async' },
  app = appOf(api),
): Promise<Answer> {
  return api.call('/auth/register', { method: 'POST', token: null, json, app, headers });
}

async function rowOf(api: ApiUnderTest, id: string) {
  const [row] = await api.sql`SELECT status, door, sealed_password IS NOT NULL AS seal, failure,
    unrecorded_events, finished_at = accepted_at AS at_once FROM registrations WHERE id = ${id}`;
  return row;
}

/** Everything that an answer shows, but its id. */
function shown({ status, headers, body }: Answer) {
  const told = Object.fromEntries(headers);
  delete told['x-request-id'];
  return { status, told, message: body.message, fields: Object.keys(body) };
}

test('a taken and a free address get the same answer and leave the same rows', async ({ api }) => {
  const first = newBody();
  const free = await register(api, first);
  const byEmail = await register(api, newBody({ email: ` ${first.email.toUpperCase()}` }));
  const byUsername = await register(
    api,
    newBody({ username: ` ${first.username.toUpperCase()} ` }),
  );
  expect(shown(free)).toMatchObject({
    status: 202,
    message: MESSAGE,
    fields: ['message', 'registration_id'],
  });
  expect(free.headers.get('location')).toBeNull();
  expect(free.headers.get('preference-applied')).toBe('respond-async');
  for (const taken of [byEmail, byUsername]) expect(shown(taken)).toEqual(shown(free));
  const ids = [free, byEmail, byUsername].map(({ body }) => String(body.registration_id));
  for (const id of ids) expect(id).toMatch(/^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-/);
  expect(await Promise.all(ids.map((id) => rowOf(api, id)))).toMatchObject([
    { status: 'accepted', seal: true, failure: null, unrecorded_events: [] },
    { status: 'failed', seal: false, failure: { code: 'email_taken' }, at_once: true },
    { status: 'failed', seal: false, failure: { code: 'username_taken' }, at_once: true },
  ]);
  const events = await api.sql`SELECT event FROM audit_events
    WHERE registration_id = ANY(${ids}::uuid[])`;
  expect(events.map(({ event }) => event)).toEqual(ids.map(() => 'registration.requested'));
  expect((await rowOf(api, ids[1] ?? ''))?.['unrecorded_events']).toEqual(['registration.failed']);
});

test('only registrations of free addresses are started', async ({ api }) => {
  const started: string[] = [];
  const startSoon = (id: string) => void started.push(id);
  const app = appOf(api, { runs: { ...api.deps.runs, startSoon } });
  const ids = async (json: unknown): Promise<string> =>
    (await register(api, json, undefined, app)).body.registration_id;
  const body = newBody();
  const first = await ids(body);
  await ids(newBody({ email: body.email }));
  const last = await ids(newBody());
  await expect.poll(() => started.toSorted(), { timeout: 5000 }).toEqual([first, last].toSorted());
});

test('sign-up does not ask Cognito, not even about a user that the pool has lost', async ({
  api,
}) => {
  const body = newBody();
  const { registration_id: id } = (await register(api, body)).body;
  await api.row(id, {
    status: 'completed',
    cognito_username: 'gone',
    user_id: 'gone',
    sealed_password: null,
    password_set_at: new Date(),
    finished_at: new Date(Date.now() - 600_000),
  });
  const asked: string[] = [];
  const refuse = (what: string) => async () => {
    asked.push(what);
    return false;
  };
  const directory = { ...api.deps.directory, userExists: refuse('user') };
  const again = await register(api, body, undefined, appOf(api, { directory }));
  expect([again.status, asked]).toEqual([202, []]);
  expect(await rowOf(api, again.body.registration_id)).toMatchObject({ status: 'failed' });
});

test('names and username are optional, and every other field is validated as usual', async ({
  api,
}) => {
  const { email } = newBody();
  const plain = await register(api, { email, password: 'Analytical1' });
  expect(plain.status).toBe(202);
  const weak = await register(api, newBody({ password: 'weak' }));
  expect(weak.body).toEqual({ detail: 'Password must contain at least one uppercase letter' });
  const wrong = await register(api, { email: 'x', first_name: '' });
  expect([wrong.status, wrong.body.detail.map(({ loc }: { loc: string[] }) => loc[1])]).toEqual([
    422,
    ['email', 'first_name', 'password'],
  ]);
  const second = await register(api, { email: newBody().email, password: 'Analytical1' });
  expect(await rowOf(api, second.body.registration_id)).toMatchObject({ status: 'accepted' });
});

test('SIGNUP_MODE=async hides for every request what is taken, otherwise only a Prefer header does', async ({
  api,
}) => {
  const app = appOf(api, { signupMode: 'async' });
  const { email } = newBody();
  const answer = await register(api, { email, password: 'Analytical1' }, {}, app);
  expect([answer.status, answer.headers.get('preference-applied')]).toEqual([202, null]);
  for (const prefer of ['respond-asynchronously', 'wait=1', 'x-respond-async', '']) {
    const sync = await register(api, { email, password: 'Analytical1' }, { prefer });
    expect([prefer, sync.status]).toEqual([prefer, 422]);
  }
  for (const prefer of ['wait=5, Respond-Async', 'respond-async; x=1', ' respond-async ']) {
    expect((await register(api, newBody(), { prefer })).status).toBe(202);
  }
});

test('a key repeats its answer, for a taken address as for a free one', async ({ api }) => {
  const first = newBody();
  const headers = { prefer: 'respond-async', 'idempotency-key': 'k-1' };
  const free = [await register(api, first, headers), await register(api, first, headers)];
  const other = newBody({ username: first.username });
  const taken = [await register(api, other, headers), await register(api, other, headers)];
  for (const [once, again] of [free, taken]) {
    expect(again?.body).toEqual(once?.body);
    expect(again?.headers.get('idempotent-replayed')).toBe('true');
  }
  for (const body of [first, other]) {
    const reused = await register(api, { ...body, first_name: 'Grace' }, headers);
    expect([reused.status, reused.body.detail[0].type]).toEqual([422, 'idempotency_key_reused']);
  }
  expect(await rowOf(api, taken[0]?.body.registration_id)).toMatchObject({ status: 'failed' });
});

test.for(['email_taken', 'password_rejected'])(
  'a key repeats its answer when the registration has failed since: %s',
  async (code, { api }) => {
    const body = newBody();
    const headers = { prefer: 'respond-async', 'idempotency-key': 'k-2' };
    const once = await register(api, body, headers);
    await api.row(once.body.registration_id, {
      status: 'failed',
      failure: { code, detail: '' },
      sealed_password: null,
      finished_at: new Date(Date.now() + 1000),
    });
    const again = await register(api, body, headers);
    expect(again.body).toEqual(once.body);
    expect(again.headers.get('idempotent-replayed')).toBe('true');
  },
);

test('of fifty simultaneous sign-ups one row lives, and the others keep no seal', async ({
  api,
}) => {
  const { email } = newBody();
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, n) =>
      register(api, newBody({ email: n % 2 ? email : email.toUpperCase() })),
    ),
  );
  for (const answer of answers) expect(shown(answer)).toEqual(shown(answers[0] ?? answer));
  const rows = await api.sql`SELECT status, count(*)::int, count(sealed_password)::int AS seals
    FROM registrations WHERE email = ${email} GROUP BY status ORDER BY status`;
  expect([...rows]).toEqual([
    { status: 'accepted', count: 1, seals: 1 },
    { status: 'failed', count: 49, seals: 0 },
  ]);
});

const PAIRS = 200;
/** By chance one run in ten thousand would be above it: Kolmogorov and Smirnov, two samples. */
const CRITICAL = Math.sqrt(-Math.log(1e-4 / 2) / 2) * Math.sqrt(2 / PAIRS);

/** Times in ms of taken and free addresses, mixed at random. */
async function measure(api: ApiUnderTest, app: ReturnType<typeof appOf>, taken: string) {
  const times = { taken: [] as number[], free: [] as number[] };
  const kinds = Array.from({ length: PAIRS }, () => ['taken', 'free'] as const).flatMap((pair) =>
    Math.random() < 0.5 ? pair : pair.toReversed(),
  );
  for (const kind of kinds) {
    const body = kind === 'taken' ? newBody({ email: taken }) : newBody();
    const from = performance.now();
    const { status } = await register(api, body, undefined, app);
    times[kind].push(performance.now() - from);
    if (status !== 202) throw new Error(`${kind}: ${status}`);
  }
  return times;
}

/** The largest distance of two distributions, 0–1. */
function distance({ taken, free }: { taken: number[]; free: number[] }): number {
  const share = (of: readonly number[], upTo: number) =>
    of.filter((time) => time <= upTo).length / of.length;
  return Math.max(...[...taken, ...free].map((t) => Math.abs(share(taken, t) - share(free, t))));
}

test('the time of an answer does not tell taken from free, and the check detects a difference of one half', async ({
  api,
}) => {
  const { email } = newBody();
  await register(api, newBody({ email }));
  const times = await measure(api, appOf(api), email);
  expect(distance(times)).toBeLessThan(CRITICAL);

  const half = (times.free.toSorted((a, b) => a - b)[PAIRS / 2] ?? 0) / 2;
  const spin = (ms: number) => {
    for (const until = performance.now() + ms; performance.now() < until;);
  };
  const limits = {
    ...api.deps.limits,
    signUp: async (_from: string, asked: string) => {
      if (asked === email) spin(half);
    },
  };
  expect(distance(await measure(api, appOf(api, { limits }), email))).toBeGreaterThan(CRITICAL);
});
