// `npm run soak-profiles`: 500 people register while RabbitMQ, which the profile service is behind, is
// away for half a minute.
import { setTimeout as sleep } from 'node:timers/promises';
import postgres from 'postgres';
import { afterAll, expect } from 'vitest';
import type { Api } from '../support/deployment.ts';
import { eventually } from '../support/eventually.ts';
import { profileEnvironment, test } from '../support/profile-test.ts';
import { readyIn } from '../support/publisher.ts';

const PEOPLE = 500;
const PER_SECOND = 15;
const AT_ONCE = 16;
const AWAY_MS = 30_000;
const PATIENCE_MS = 10 * 60_000;

test.override('deploymentOptions', ({ broker, profileService }) => ({
  env: {
    ...profileEnvironment(broker, profileService),
    COGNITO_CREATE_RPS: '0',
    COGNITO_UPDATE_RPS: '0',
  },
}));

let sql: postgres.Sql;
let api: Api;
test.beforeAll(async ({ database, deployment }) => {
  sql = postgres(database.url, { max: 1, onnotice: () => undefined });
  await deployment.setUp();
  api = await deployment.api();
  // Two consumers of replies, the API's and these.
  await Promise.all([deployment.worker(), deployment.worker()]);
});
afterAll(() => sql.end({ timeout: 1 }));

test(
  '500 registrations complete, each with one profile, although RabbitMQ is away for 30 s',
  async ({ broker, deployment, profileService }) => {
    const began = performance.now();
    let next = 0;
    let accepted = 0;
    const registerOne = async (index: number): Promise<void> => {
      await sleep(Math.max(0, began + (index * 1000) / PER_SECOND - performance.now()));
      const email = `person-${index}@example.com`;
      const { status } = await deployment.register(api, email, { prefer: 'wait=5' });
      expect([201, 202]).toContain(status);
      accepted += 1;
    };
    const line = async (): Promise<void> => {
      while (next < PEOPLE) await registerOne(next++);
    };
    const outage = async (): Promise<number> => {
      await eventually(() => accepted > PEOPLE / 3, PATIENCE_MS);
      await broker.stop();
      const before = accepted;
      // The outage itself, not a guess at when something is done.
      await sleep(AWAY_MS);
      const meanwhile = accepted - before;
      await broker.start();
      return meanwhile;
    };
    const [meanwhile] = await Promise.all([outage(), ...Array.from({ length: AT_ONCE }, line)]);
    expect(meanwhile).toBeGreaterThan(0);

    const completed = async (): Promise<number> => {
      const [row] = await sql<{ count: number }[]>`SELECT count(*)::int AS count
        FROM registrations WHERE status = 'completed'`;
      return row?.count ?? 0;
    };
    await eventually(async () => (await completed()) === PEOPLE, PATIENCE_MS);
    const rows = await sql<{ id: string; profile_id: string; user_id: string }[]>`
      SELECT id, profile_id, user_id FROM registrations ORDER BY id`;
    const profiles = await profileService.sql<
      { id: string; profile_id: string; user_id: string }[]
    >`
      SELECT registration_id AS id, id AS profile_id, user_id FROM profiles ORDER BY registration_id`;
    expect(rows).toHaveLength(PEOPLE);
    expect([...profiles]).toEqual([...rows]);
    await eventually(async () => (await readyIn(broker, 'auth_user_creation_queue')) === 0);
    expect(await readyIn(broker, 'auth_user_creation_queue.dead')).toBe(0);
    const seconds = Math.round((performance.now() - began) / 1000);
    process.stdout.write(
      `${PEOPLE} profiles in ${seconds} s, ${meanwhile} registrations accepted while RabbitMQ was away\n`,
    );
  },
  PATIENCE_MS * 2,
);
