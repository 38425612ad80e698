import { expect } from 'vitest';
import { test } from '../../support/saga-test.ts';

test('a successful run has one workflow task and six events, with neither address nor name', async ({
  saga,
}) => {
  const registration = await saga.register({
    email: 'zebediah.quuxley@example.com',
    firstName: 'Zebediah',
    lastName: 'Quuxley',
    username: 'countess',
    roles: ['viewer', 'researcher'],
  });
  await saga.handle(registration.id).result();

  expect(await saga.world(registration)).toEqual({
    mark: registration.id,
    roles: ['researcher', 'viewer'],
    status: 'completed',
  });
  const row = await saga.row(registration.id);
  expect(await saga.events(registration.id)).toEqual(['registration.requested', 'user.registered']);
  expect(row.steps).toEqual({
    createUser: { status: 'done', attempts: 1, lastError: null },
    'assignRole:viewer': { status: 'done', attempts: 1, lastError: null },
    'assignRole:researcher': { status: 'done', attempts: 1, lastError: null },
    complete: { status: 'done', attempts: 1, lastError: null },
  });
  const { events } = await saga.handle(registration.id).fetchHistory();
  expect(events?.length).toBeLessThanOrEqual(6);
  // Payloads are base64 in a history's JSON: decoded, so that what is in them can be found.
  const text = JSON.stringify(events).replaceAll(/"data":"([^"]*)"/g, (_, data: string) =>
    Buffer.from(data, 'base64').toString('utf8'),
  );
  expect(text).toContain(registration.id);
  for (const secret of ['zebediah', 'quuxley', 'example.com', 'countess']) {
    expect(text.toLowerCase()).not.toContain(secret);
  }
});
