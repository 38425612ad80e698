import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  AdminCreateUserCommand,
  AdminDeleteUserCommand,
} from '@aws-sdk/client-cognito-identity-provider';
import postgres from 'postgres';
import { afterAll, beforeAll, expect } from 'vitest';
import { ProfileService } from '../../support/profile-service.ts';
import { line, OnCall, testSections } from './on-call.ts';
import { DEPENDENCIES } from './sections.ts';

const SOON = { timeout: 60_000 };
const ORPHAN = 'orphan@example.com';

let onCall: OnCall;
let service: ProfileService;
let sql: postgres.Sql;
let waits = '';

beforeAll(async () => {
  service = await ProfileService.start();
  onCall = await OnCall.arrive({
    PROFILE_URL: service.url,
    PROFILE_SECRET: service.secret,
    SWEEP_INTERVAL_SECONDS: '5',
  });
  const server = new URL(onCall.database.url);
  server.pathname = '/postgres';
  sql = postgres(server.href, { max: 1, onnotice: () => undefined });
}, 240_000);
afterAll(async () => {
  await sql.end({ timeout: 1 });
  await onCall.leave();
  await service.remove();
});

/** PostgreSQL lets nobody into the database, or everybody again. */
async function letsIn(isAllowed: boolean): Promise<void> {
  const name = new URL(onCall.database.url).pathname.slice(1);
  await sql.unsafe(`ALTER DATABASE ${name} ALLOW_CONNECTIONS ${String(isAllowed)}`);
  if (!isAllowed) {
    await sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ${name}`;
  }
}

/** Changes an event of the trail, as only the owner of the server may. */
async function changesTrail(): Promise<void> {
  const owner = postgres(onCall.database.url, { max: 1, onnotice: () => undefined });
  try {
    await owner.begin(async (transaction) => {
      await transaction`SET LOCAL session_replication_role = replica`;
      await transaction`UPDATE audit_events SET actor = 'nobody'
        WHERE id = (SELECT id FROM audit_events ORDER BY at LIMIT 1)`;
    });
  } finally {
    await owner.end({ timeout: 1 });
  }
}

const pool = () => onCall.deployment.pool;

testSections(
  DEPENDENCIES,
  {
    'Profile service away (1)': {
      async first() {
        await service.kill();
        waits = await onCall.register('waits@example.com');
        await onCall.until(waits, 'roles_pending');
      },
      shows(output) {
        expect(output).toEqual(line(waits, 'roles_pending .*: profile_unavailable'));
        expect(output).toMatch(/^1 found$/m);
      },
    },
    'Profile service away (2)': {
      first: () => service.start(),
      async shows(output) {
        expect(output).toBe('accepted: 1\nremaining: 0\n');
        const { profileId } = await onCall.until(waits, 'completed');
        expect(await service.profiles()).toMatchObject([{ id: profileId, registration_id: waits }]);
      },
    },
    'Ledger and pool differ (1)': {
      exitCodes: [2],
      async first() {
        const UserAttributes = [
          { Name: 'email', Value: ORPHAN },
          { Name: 'custom:registration_id', Value: randomUUID() },
        ];
        const user = { Username: ORPHAN, UserAttributes, MessageAction: 'SUPPRESS' } as const;
        const UserPoolId = pool().userPoolId;
        await pool().client.send(new AdminCreateUserCommand({ UserPoolId, ...user }));
        // Until it is old enough to count.
        await expect
          .poll(async () => (await onCall.paste('npm run compare-pool -- --dry-run')).output, SOON)
          .toContain('"orphan":1');
      },
      async shows(output) {
        expect(output).toContain('"orphan":1');
        const user = { UserPoolId: pool().userPoolId, Username: ORPHAN };
        await pool().client.send(new AdminDeleteUserCommand(user));
        const again = await onCall.paste('npm run compare-pool');
        expect(again).toMatchObject({ failed: [] });
        expect(again.output).toContain('"orphan":0');
      },
    },
    'The audit trail may have been changed (1)': {
      async first() {
        await expect.poll(() => onCall.logs(), SOON).toContain('"audit checkpoint"');
        const log = join(onCall.deployment.folder, 'worker.log');
        await writeFile(log, onCall.logs());
        await onCall.type('LOG', log);
      },
      async shows(output) {
        expect(output).toContain('The audit trail is intact');
        await changesTrail();
        const { failed, output: found } = await onCall.paste(
          'npm run verify-audit -- --head "$DIGEST"',
        );
        expect(failed).toEqual([1]);
        expect(found).toMatch(/batch .*event/i);
      },
    },
    'The API answers 5xx (1)': {
      exitCodes: [1],
      async first() {
        await letsIn(false);
        const refused = await onCall.call('POST', '/registrations', { email: ORPHAN, roles: [] });
        expect(refused).toMatchObject({ status: 503, body: { code: 'unavailable' } });
      },
      async shows(output) {
        expect(output).toContain('503 unavailable: PostgreSQL does not answer.');
        await letsIn(true);
        const check = async () => (await onCall.paste('api GET /health/ready')).output;
        await expect.poll(check, SOON).toContain('status: ok\npostgres: ok\n');
        await onCall.registered(ORPHAN);
        expect(await onCall.inPool(ORPHAN)).toHaveLength(1);
      },
    },
  },
  () => onCall,
);
