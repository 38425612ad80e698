import { randomUUID } from 'node:crypto';
import { inspect } from 'node:util';
import { sql } from 'drizzle-orm';
import { expect } from 'vitest';
import { openDatabase } from '../../../src/db/client.ts';
import { accept, findByKey } from '../../../src/ledger/registrations/accept.ts';
import { atEdge, DatabaseError } from '../../../src/ledger/database-error.ts';
import { listRegistrations } from '../../../src/ledger/registrations/list.ts';
import { readRegistration } from '../../../src/ledger/registrations/read.ts';
import { test } from '../../support/ledger-test.ts';

test.override('maxConnections', 2);

const SECRET = `secret-${randomUUID()}@example.com`;

async function thrownBy(work: () => Promise<unknown>): Promise<unknown> {
  try {
    await work();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

/** Everything of an error that a log, a history or an answer could show. */
function shownBy(error: unknown): string {
  const { message, stack, cause } = error as Error;
  return [
    message,
    stack,
    inspect(cause),
    JSON.stringify(error),
    inspect(error, { depth: 9 }),
  ].join();
}

/** What of statement and parameters can be read in an error; nothing, if it is one of ours. */
function leaksOf(error: unknown): string[] {
  if (!(error instanceof DatabaseError)) return [`no DatabaseError: ${inspect(error)}`];
  const tells = /secret-|select |insert into|update "|\$1|params/gi;
  return [...shownBy(error).matchAll(tells)].map(([told]) => told);
}

test('the error of a refused statement holds neither statement nor parameters', async ({
  ledger,
}) => {
  const tooLong = ledger.input({ email: SECRET, id: 'no uuid at all' });
  expect(leaksOf(await thrownBy(() => accept(ledger.db, tooLong)))).toEqual([]);
  const nul = ledger.input({ email: `${SECRET}\0` });
  expect(leaksOf(await thrownBy(() => accept(ledger.db, nul)))).toEqual([]);
  expect(leaksOf(await thrownBy(() => readRegistration(ledger.db, SECRET)))).toEqual([]);
  const visibleTo = { callerId: `${SECRET}\0`, grants: new Set([SECRET]) };
  expect(
    leaksOf(await thrownBy(() => listRegistrations(ledger.db, { visibleTo, limit: 1 }))),
  ).toEqual([]);
});

test('the error of a duplicate does not hold the address', async ({ ledger }) => {
  await ledger.accepted({ email: SECRET });
  const { id } = await ledger.accepted();
  const error = await thrownBy(() => atEdge(() => ledger.set(id, { email: SECRET })));
  expect(leaksOf(error)).toEqual([]);
  expect(error).toMatchObject({
    sqlstate: '23505',
    constraint: 'registrations_living_email',
    definitive: false,
  });
});

test('the error of a refusing audit trail holds neither statement nor parameters', async ({
  ledger,
}) => {
  await ledger.refuseAudit('registration.requested');
  const error = await thrownBy(() => accept(ledger.db, ledger.input({ email: `2${SECRET}` })));
  await ledger.allowAudit();
  expect(leaksOf(error)).toEqual([]);
  expect(error).toMatchObject({ sqlstate: 'P0001', definitive: true });
});

test('the error of an unreachable database or a wrong password holds no secret', async ({
  ledger,
}) => {
  const url = new URL(ledger.url);
  url.port = '1';
  const away = openDatabase(url.href, 1);
  const awayError = await thrownBy(() =>
    findByKey(away.db, { keyScope: SECRET, idempotencyKey: SECRET }),
  );
  await away.close(0);
  expect(leaksOf(awayError)).toEqual([]);
  expect(awayError).toMatchObject({ sqlstate: 'ECONNREFUSED', definitive: false });

  url.port = new URL(ledger.url).port;
  url.pathname = '/no_such_database';
  const strange = openDatabase(url.href, 1);
  const strangeError = await thrownBy(() =>
    findByKey(strange.db, { keyScope: SECRET, idempotencyKey: SECRET }),
  );
  await strange.close(0);
  expect(leaksOf(strangeError)).toEqual([]);
  expect(strangeError).toMatchObject({ sqlstate: '3D000', definitive: false });
});

test('the error of a connection cut in a transaction holds neither statement nor parameters', async ({
  ledger,
}) => {
  const error = await thrownBy(() =>
    atEdge(() =>
      ledger.db.transaction(async (tx) => {
        await tx.execute(sql`SELECT ${SECRET}::text, pg_terminate_backend(pg_backend_pid())`);
      }),
    ),
  );
  expect(leaksOf(error)).toEqual([]);
  expect(error).toMatchObject({ definitive: false });
});

test('a programming error is not turned into a DatabaseError', async () => {
  const bug = new TypeError('a bug');
  expect(await thrownBy(() => atEdge(() => Promise.reject(bug)))).toBe(bug);
});
