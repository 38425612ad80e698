import type { WorkflowHandle } from '@temporalio/client';
import { expect } from 'vitest';
import { FAILURES } from '../../../src/domain/failure.ts';
import { requestCancel, requestRetry } from '../../../src/ledger/registrations/instructions.ts';
import { sql } from 'drizzle-orm';
import { test } from '../../support/saga-test.ts';

/** What the Temporal UI shows: it asks a run for its current details as this query does. */

const OPERATOR = { actor: 'operator', reason: null } as const;
const METADATA = '__temporal_workflow_metadata';

test.afterEach(({ saga }) => saga.pool.clearFaults());

async function detailsOf(handle: WorkflowHandle): Promise<string> {
  const metadata = await handle.query<{ currentDetails?: string }>(METADATA);
  return metadata.currentDetails ?? '';
}

async function attributesOf(handle: WorkflowHandle) {
  const { searchAttributes } = await handle.describe();
  return ['RegistrationStatus', 'RegistrationFailure'].map(
    (name) => searchAttributes[name]?.[0] ?? null,
  );
}

/** By activity id or, where it is a number, by type. */
async function summariesOf(handle: WorkflowHandle): Promise<Record<string, string>> {
  const { events } = await handle.fetchHistory();
  return Object.fromEntries(
    (events ?? []).flatMap(({ activityTaskScheduledEventAttributes: scheduled, userMetadata }) => {
      if (!scheduled) return [];
      const { activityId = '', activityType } = scheduled;
      const name = /^\d+$/.test(activityId ?? '') ? activityType?.name : activityId;
      const data = userMetadata?.summary?.data ?? new Uint8Array();
      return [[name ?? '', String(JSON.parse(Buffer.from(data).toString() || '""'))]];
    }),
  );
}

const isIll = (operation: string, times?: number) => ({
  operation,
  ...(times !== undefined && { times }),
  fault: { kind: 'server' } as const,
});

test('a parked run says what it waits for, since when and what to press, until it goes on', async ({
  saga,
}) => {
  await saga.pool.setFaults([isIll('AdminAddUserToGroup')]);
  const { id } = await saga.register({ roles: ['viewer'] });
  const { parkedAt } = await saga.untilStatus(id, 'roles_pending');
  await saga.eventually(async () => (await detailsOf(saga.handle(id))) !== '');
  const details = await detailsOf(saga.handle(id));
  expect(details).toContain(`**Parked**, since ${parkedAt?.toISOString()}.`);
  expect(details).toContain('(`identity_provider_unavailable`)');
  expect(details).toContain(FAILURES.provider_unavailable_parked.operator);
  expect(details).toContain(`POST /registrations/${id}/retry`);
  expect(details).toContain('*Request Cancellation*');
  expect(details).toContain(`[Receipt](http://api.example/registrations/${id})`);
  await saga.eventually(async () => (await attributesOf(saga.handle(id)))[0] !== null);
  expect(await attributesOf(saga.handle(id))).toEqual([
    'roles_pending',
    'identity_provider_unavailable',
  ]);
  expect(await summariesOf(saga.handle(id))).toEqual({
    'assignRole:viewer': 'assignRole:viewer',
    park: 'park',
  });

  await saga.pool.clearFaults();
  await requestRetry(saga.db, id, OPERATOR);
  await saga.runs.resume(id, 'operator');
  expect(await saga.ending(id)).toBe('completed');
  expect(await detailsOf(saga.handle(id))).toBe('');
  await saga.eventually(async () => (await attributesOf(saga.handle(id)))[0] === null);
  expect(await attributesOf(saga.handle(id))).toEqual([null, null]);
});

test('a run that the schedule completes ends without status, failure and details', async ({
  saga,
}) => {
  await saga.pool.setFaults([isIll('AdminAddUserToGroup')]);
  const { id } = await saga.register({ roles: ['viewer'] });
  await saga.untilStatus(id, 'roles_pending');
  await saga.pool.clearFaults();
  await saga.db.execute(
    sql`UPDATE registrations SET next_resume_at = now() WHERE id = ${id}::uuid`,
  );
  await saga.resumeDue();
  expect(await saga.ending(id)).toBe('completed');
  expect(await detailsOf(saga.handle(id))).toBe('');
  await saga.eventually(async () => (await attributesOf(saga.handle(id)))[0] === null);
  expect(await attributesOf(saga.handle(id))).toEqual([null, null]);
});

test('a run whose create goes on slowly says so while it is running', async ({ saga }) => {
  await saga.pool.setFaults([isIll('AdminCreateUser')]);
  const { id } = await saga.register({ roles: ['viewer'] });
  await saga.untilScheduled(id, 'createUser', 2);
  await saga.eventually(async () => (await detailsOf(saga.handle(id))) !== '');
  expect(await detailsOf(saga.handle(id))).toMatch(
    /^\*\*Creating the user keeps failing; tried every 60 s/,
  );
  await saga.eventually(async () => (await attributesOf(saga.handle(id)))[1] !== null);
  expect(await attributesOf(saga.handle(id))).toEqual([null, 'identity_provider_unavailable']);
  await requestCancel(saga.db, id, OPERATOR);
  await saga.runs.cancel(id);
  expect(await saga.ending(id)).toBe('CancelledFailure');
  expect(await detailsOf(saga.handle(id))).toBe('');
  await saga.eventually(
    async () => (await attributesOf(saga.handle(id)))[1] === 'registration_cancelled',
  );
});

test('a stuck cleanup says what to do, and a failed run keeps its code as the search attribute', async ({
  saga,
}) => {
  await saga.pool.setFaults([
    {
      operation: 'AdminAddUserToGroup',
      fault: { kind: 'error', error: 'ResourceNotFoundException' },
    },
    isIll('AdminDeleteUser'),
  ]);
  const { id } = await saga.register({ roles: ['viewer'] });
  await saga.untilStatus(id, 'cleanup_required');
  await saga.eventually(async () =>
    (await detailsOf(saga.handle(id))).startsWith('**Cleanup required'),
  );
  const details = await detailsOf(saga.handle(id));
  expect(details).toContain(FAILURES.manual_cleanup_required.operator);
  expect(details).toContain(`POST /registrations/${id}/retry`);
  expect(details).not.toContain('Request Cancellation');
  await saga.pool.clearFaults();
  await requestRetry(saga.db, id, OPERATOR);
  await saga.runs.resume(id, 'operator');
  expect(await saga.ending(id)).toBe('registration_failed');
  expect(await detailsOf(saga.handle(id))).toBe('');
  await saga.eventually(
    async () => (await attributesOf(saga.handle(id)))[1] === 'registration_failed',
  );
});

test('a run that begins for a closed registration says that it was closed already', async ({
  saga,
}) => {
  const { id } = await saga.accept({ roles: ['viewer'] });
  await requestCancel(saga.db, id, OPERATOR);
  await saga.db.execute(sql`UPDATE registrations SET status = 'cancelled', finished_at = now()
    WHERE id = ${id}::uuid`);
  await saga.runs.start(id, 'first');
  expect(await saga.ending(id)).toBe('already_closed');
  const details = await detailsOf(saga.handle(id));
  expect(details).toMatch(/^\*\*The registration was closed already\*\* as `cancelled`/);
  expect(details).toContain(`[Receipt](http://api.example/registrations/${id})`);
});

test('a parked change says what it waits for, since when and what to press, until it goes on', async ({
  persons,
}) => {
  const { saga } = persons;
  const { pool } = saga;
  const person = await persons.add();
  await pool.setFaults([isIll('AdminAddUserToGroup')]);
  const change = await persons.changeRoles(person, ['researcher']);
  const { parkedAt } = await persons.untilParked(change);
  await persons.untilRunWaits(person);
  const run = persons.handle(person.userId);
  const details = await detailsOf(run);
  expect(details).toContain(`**Parked: roles of the account**, since ${parkedAt?.toISOString()}.`);
  expect(details).toContain('(`identity_provider_unavailable`)');
  expect(details).toContain(`**What to do:** ${FAILURES.provider_unavailable_parked.operator}`);
  expect(details).toContain(`Retry now with a full budget: \`POST /changes/${change.id}/retry\``);
  expect(details).toContain('*Send a Signal*, `wake`, with the input `"schedule"`');
  expect(details).toContain('Undo everything: *Request Cancellation*');
  expect(details).toContain(`[Receipt](http://api.example/changes/${change.id})`);
  expect(await attributesOf(run)).toEqual(['parked', 'identity_provider_unavailable']);

  await pool.clearFaults();
  expect(await persons.retry(change)).toBe('done');
  await persons.runEnded(person);
  expect(await detailsOf(run)).toBe('');
  await saga.eventually(async () => (await attributesOf(run))[0] === null);
  expect(await attributesOf(run)).toEqual([null, null]);
  expect(await summariesOf(run)).toEqual({
    nextChange: 'nextChange',
    begin: 'begin',
    'assignRole:researcher': 'assignRole:researcher',
    'removeRole:viewer': 'removeRole:viewer',
    parkChange: 'parkChange',
    complete: 'complete',
  });
});

test('a change that parks while it is put back says so, and cannot be cancelled again', async ({
  persons,
}) => {
  const { saga } = persons;
  const { pool } = saga;
  const person = await persons.add();
  await pool.setFaults([isIll('AdminRemoveUserFromGroup')]);
  const change = await persons.changeRoles(person, ['researcher']);
  await persons.untilParked(change);
  await persons.untilRunWaits(person);
  const run = persons.handle(person.userId);
  expect(await persons.cancel(change)).toBe('done');
  await saga.eventually(async () => (await detailsOf(run)).startsWith('**Parked while'));
  const details = await detailsOf(run);
  expect(details).toMatch(/^\*\*Parked while everything is put back\*\*, since /);
  expect(details).toContain(`POST /changes/${change.id}/retry`);
  expect(details).toContain(`[Receipt](http://api.example/changes/${change.id})`);
  expect(details).not.toContain('Request Cancellation');

  await pool.clearFaults();
  await persons.retry(change);
  expect((await persons.closed(change)).status).toBe('cancelled');
  await persons.runEnded(person);
  expect(await detailsOf(run)).toBe('');
});
