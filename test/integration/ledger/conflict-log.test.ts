import { randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { expect } from 'vitest';
import { accept } from '../../../src/ledger/registrations/accept.ts';
import { acceptWithoutDisclosure } from '../../../src/ledger/registrations/accept-without-disclosure.ts';
import { readPostgresLog } from '../../support/postgres-log.ts';
import { times } from './ledger-under-test.ts';
import { test } from '../../support/ledger-test.ts';

const isLogged = async (text: string) => (await readPostgresLog()).includes(text);

function person() {
  const id = randomUUID();
  return { email: `${id}@example.com`, username: `name-${id}`, idempotencyKey: `key-${id}` };
}

test('PostgreSQL logs no e-mail, username or key of requests that meet a conflict', async ({
  ledger,
}) => {
  const held = person();
  await ledger.accepted(held);
  const others = [
    { email: held.email },
    { username: held.username },
    { idempotencyKey: held.idempotencyKey },
  ];
  for (const same of others) await accept(ledger.db, ledger.input({ ...person(), ...same }));

  const raced = person();
  await times(20, async (index) => {
    const input = ledger.input({ ...raced, keyScope: `${index % 2}` });
    await (index % 4 < 2 ? accept(ledger.db, input) : acceptWithoutDisclosure(ledger.db, input));
  });

  for (const text of [held, raced].flatMap((one) => Object.values(one))) {
    expect([text, await isLogged(text)]).toEqual([text, false]);
  }
});

test('PostgreSQL logs the values of a unique violation, so the test above can fail', async ({
  ledger,
}) => {
  const { email } = await ledger.accepted();
  const copy = sql`INSERT INTO registrations (id, status, email, email_verified, invite, roles,
      requested_by, door, key_scope, request_hash, accepted_at)
    SELECT gen_random_uuid(), status, email, email_verified, invite, roles,
      requested_by, door, key_scope, request_hash, accepted_at
    FROM registrations WHERE email = ${email}`;
  await expect(ledger.db.execute(copy)).rejects.toMatchObject({ cause: { code: '23505' } });
  expect(await isLogged(`(email)=(${email})`)).toBe(true);
});
