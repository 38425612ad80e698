import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import { eraseAddress } from '../../../../src/ledger/erase-address.ts';
import { release } from '../../../../src/ledger/registrations/release.ts';
import { ReceiptSchema } from '../../../../src/http/registrations/schemas.ts';
import { type ApiUnderTest, newBody } from '../api-under-test.ts';
import { test } from '../../../support/api-test.ts';

const NOBODY = { email: null, username: null, firstName: null, lastName: null };

async function requested(api: ApiUnderTest): Promise<{ id: string; email: string }> {
  const email = `${randomUUID()}@example.com`;
  const username = `u${randomUUID().slice(0, 8)}`;
  const json = newBody({ email, username, firstName: 'Ada', lastName: 'King' });
  const { status, body } = await api.call('/registrations', { method: 'POST', json });
  expect(status).toBe(202);
  return { id: body.id, email };
}

test('the receipt of an erased registration shows null, alone and in a list', async ({ api }) => {
  const { id, email } = await requested(api);
  await api.row(id, {
    status: 'cancelled',
    finished_at: new Date(),
    instruction: 'cancel',
    instruction_actor: 'alice',
    instruction_reason: 'Ada asked',
    instruction_at: new Date(),
  });
  await eraseAddress(api.deps.db, email);
  const { status, body } = await api.call(`/registrations/${id}`);
  expect(status).toBe(200);
  expect(body).toMatchObject({ ...NOBODY, id, status: 'cancelled' });
  expect(ReceiptSchema.parse(body)).toEqual(body);
  expect(JSON.stringify(body)).not.toContain('Ada');
  expect(body.timeline.at(-1)).toMatchObject({
    event: 'personal_data.erased',
    actor: 'operator',
    details: { by: 'operator' },
  });
  const list = await api.call('/registrations?limit=200');
  expect(list.body.items.find((item: { id: string }) => item.id === id)).toEqual(body);
  const byEmail = await api.call(`/registrations?email=${encodeURIComponent(email)}`);
  expect(byEmail.body).toMatchObject({ items: [], total: 0 });
});

test('no request acts on an erased registration', async ({ api }) => {
  const { id } = await requested(api);
  await api.row(id, {
    status: 'completed',
    finished_at: new Date(),
    user_id: randomUUID(),
    cognito_username: randomUUID(),
  });
  // As the pool of somebody who is deleted between two reads says.
  api.scripts.passwordState = async () => {
    await release(api.deps.db, id);
    return 'owes_password';
  };
  const post = async (name: string, json?: object) => {
    const { status, body } = await api.call(`/registrations/${id}/${name}`, {
      method: 'POST',
      ...(json && { json }),
    });
    return [status, body.code];
  };
  expect(await post('invitation')).toEqual([409, 'invitation_not_due']);
  expect((await api.call(`/registrations/${id}`)).body).toMatchObject(NOBODY);
  expect(await post('retry')).toEqual([409, 'not_parked']);
  expect(await post('cancel', { reason: 'again' })).toEqual([409, 'already_closed']);
});
