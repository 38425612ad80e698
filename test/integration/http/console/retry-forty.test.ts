// oxlint-disable no-empty-pattern -- vitest reads from the pattern which fixtures a function uses
import { expect } from 'vitest';
import { ConsoleUnderTest, test as consoleTest } from '../../../support/console-test.ts';
import { Saga } from '../../../support/saga.ts';

/** The console over a real Temporal and a worker. */
const test = consoleTest
  .extend('saga', { scope: 'file' }, async ({}, { onCleanup }) => {
    const saga = await Saga.start();
    onCleanup(() => saga.stop());
    return saga;
  })
  .extend('live', { scope: 'file' }, ({ api, saga }) => {
    const { db, runs, userRuns } = saga;
    return new ConsoleUnderTest(api, saga.pool, { db, runs, userRuns });
  });

test('forty parked registrations complete after one press of retry all', async ({ live, saga }) => {
  const { browser } = await live.operator('admin');
  await saga.pool.setFaults([{ operation: 'AdminAddUserToGroup', fault: { kind: 'server' } }]);
  const forty: { readonly id: string }[] = [];
  // A few at a time: one worker that begins forty runs at once is late for its own tasks.
  for (let batch = 0; batch < 5; batch += 1) {
    const begun = await Promise.all(
      Array.from({ length: 8 }, () => saga.register({ roles: ['viewer'] })),
    );
    for (const { id } of begun) await saga.untilStatus(id, 'roles_pending');
    forty.push(...begun);
  }
  const board = await browser.get('/console');
  expect(board.html).toContain('40 registrations');
  const link = /href="(\/console\/attention\/retry\?[^"]*)"[^>]*>Retry all 40 registrations</;
  const path = (link.exec(board.html)?.[1] ?? '').replaceAll('&amp;', '&');
  const question = await browser.get(path);
  expect(question.html).toContain('40 registrations');

  await saga.pool.clearFaults();
  const sent = await browser.submit(question, { reason: 'Cognito is back' });
  expect([sent.status, sent.location]).toEqual([303, '/console']);
  const after = await browser.follow(sent);
  expect(after.html).toContain('Retried 40 registrations. None remains.');
  for (const { id } of forty) await saga.untilStatus(id, 'completed');
  const [first] = forty;
  expect(await saga.events(first?.id ?? '')).toContain('registration.retry_requested');
  expect((await browser.get('/console')).html).not.toContain('Retry all');
});
