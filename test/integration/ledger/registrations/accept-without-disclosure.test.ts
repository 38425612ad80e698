import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import { accept, type AcceptInput } from '../../../../src/ledger/registrations/accept.ts';
import { acceptWithoutDisclosure } from '../../../../src/ledger/registrations/accept-without-disclosure.ts';
import { beginCompensation } from '../../../../src/ledger/registrations/compensation.ts';
import { appendUnrecordedEvents } from '../../../../src/ledger/unrecorded-events.ts';
import { readRegistration, readTimeline } from '../../../../src/ledger/registrations/read.ts';
import { openRows } from '../../../../src/ledger/registrations/sweep.ts';
import { CANCELLED, FAILED, type Ledger, countByKind, times } from '../ledger-under-test.ts';
import { test } from '../../../support/ledger-test.ts';

const SEAL = new Uint8Array([1, 2, 3]);

function anybody(ledger: Ledger, more: Partial<AcceptInput> = {}): AcceptInput {
  const email = more.email ?? `${randomUUID()}@example.com`;
  const keyScope = `signup:${email}`;
  return ledger.input({
    door: 'signup',
    requestedBy: 'door:signup',
    roles: [],
    sealedPassword: SEAL,
    email,
    keyScope,
    ...more,
  });
}

async function taken(ledger: Ledger): Promise<string> {
  const { email } = await ledger.accepted();
  const result = await acceptWithoutDisclosure(ledger.db, anybody(ledger, { email }));
  expect(result).toMatchObject({ kind: 'accepted', starts: false });
  return 'id' in result ? result.id : '';
}

test('a taken address leaves a closed row that needs no work', async ({ ledger }) => {
  const id = await taken(ledger);
  expect(await readRegistration(ledger.db, id)).toMatchObject({
    status: 'failed',
    failure: { code: 'email_taken' },
    closesAs: 'failed',
    steps: {},
    userId: null,
  });
  const open = await openRows(ledger.db, 500, new Date());
  expect(open.map((row) => row.id)).not.toContain(id);
});

test('the sweep adds the missing audit event of a row closed at once', async ({ ledger }) => {
  const id = await taken(ledger);
  const events = async () => (await readTimeline(ledger.db, id)).map(({ event }) => event);
  expect(await events()).toEqual(['registration.requested']);
  await appendUnrecordedEvents(ledger.db, 500);
  expect(await events()).toEqual(['registration.requested', 'registration.failed']);
  await appendUnrecordedEvents(ledger.db, 500);
  expect(await events()).toHaveLength(2);
});

test('of simultaneous sign-ups through both modes one row lives', async ({ ledger }) => {
  const email = `${randomUUID()}@example.com`;
  const results = await times(60, async (index) => {
    if (index % 2) return (await accept(ledger.db, ledger.input({ email }))).kind;
    const quiet = await acceptWithoutDisclosure(ledger.db, anybody(ledger, { email }));
    return quiet.kind === 'accepted' && quiet.starts ? 'accepted' : 'quiet';
  });
  const { accepted, quiet = 0, email_taken = 0 } = countByKind(results);
  expect([accepted, quiet + email_taken]).toEqual([1, 59]);
});

test('fifty simultaneous requests with one key make one row with one id', async ({ ledger }) => {
  const { email, requestHash } = anybody(ledger);
  for (const idempotencyKey of ['while it is free', 'while it is taken']) {
    const results = await times(50, () =>
      acceptWithoutDisclosure(ledger.db, anybody(ledger, { email, requestHash, idempotencyKey })),
    );
    expect(countByKind(results.map(({ kind }) => kind))).toEqual({ accepted: 1, replayed: 49 });
    expect(new Set(results.map((result) => ('id' in result ? result.id : null))).size).toBe(1);
  }
});

test('a key with another request is a reuse, also after a failed run, so that nothing is disclosed', async ({
  ledger,
}) => {
  const input = anybody(ledger, { idempotencyKey: 'again' });
  await acceptWithoutDisclosure(ledger.db, input);
  const { email } = input;
  const other = anybody(ledger, { email, idempotencyKey: 'again', requestHash: 'other' });
  expect(await acceptWithoutDisclosure(ledger.db, other)).toEqual({ kind: 'key_reused' });
  await beginCompensation(ledger.db, input.id, FAILED, CANCELLED, {});
  await ledger.close(input.id);
  expect(await acceptWithoutDisclosure(ledger.db, other)).toEqual({ kind: 'key_reused' });
  const same = { ...input, id: randomUUID() };
  expect(await acceptWithoutDisclosure(ledger.db, same)).toEqual({
    kind: 'replayed',
    id: input.id,
  });
});
