import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  AdminCreateUserCommand,
  DeleteUserPoolCommand,
  ForgotPasswordCommand,
} from '@aws-sdk/client-cognito-identity-provider';
import { expect } from 'vitest';
import { sandboxClient } from '../../../../dev/cognito/client.ts';
import { makePool } from '../../../../dev/cognito/pool.ts';
import { startCognito } from '../../../../dev/cognito/server.ts';
import { anyFreePort } from '../../../../dev/stack/ports.ts';
import { test } from '../../../support/base-test.ts';
import { addPerson, lastCode } from '../../../support/pool-people.ts';

test('the mailbox is the same after a restart, until its pool is deleted', async ({
  onTestFinished,
}) => {
  const home = await mkdtemp(join(tmpdir(), 'registrar-mailbox-'));
  onTestFinished(() => rm(home, { recursive: true, force: true }));
  const start = async () => startCognito({ home, port: await anyFreePort() });
  const mailOf = async (url: string) => (await fetch(`${url}/_sandbox/mail`)).json();

  const first = await start();
  const client = sandboxClient(first.url);
  const { userPoolId: UserPoolId } = await makePool(client, 'mailed');
  await client.send(
    new AdminCreateUserCommand({
      UserPoolId,
      Username: 'ada@example.com',
      DesiredDeliveryMediums: ['EMAIL'],
    }),
  );
  const before = await mailOf(first.url);
  expect(before).toMatchObject({ items: [{ to: 'ada@example.com', source: 'AdminCreateUser' }] });
  client.destroy();
  await first.stop();

  const second = await start();
  onTestFinished(() => second.stop());
  expect(await mailOf(second.url)).toEqual(before);
  const again = sandboxClient(second.url);
  await again.send(new DeleteUserPoolCommand({ UserPoolId }));
  again.destroy();
  expect(await mailOf(second.url)).toEqual({ items: [] });
});

test('a browser gets the mailbox as a page, of one person where the address says so', async ({
  pool,
}) => {
  const name = await addPerson(pool, 'reader');
  const other = await addPerson(pool, '<b>&other');
  for (const Username of [name, other]) {
    await pool.client.send(new ForgotPasswordCommand({ ClientId: pool.clientId, Username }));
  }
  const page = async (query: string) => {
    const answer = await fetch(`${pool.endpoint}/_sandbox/mail?pool=${pool.userPoolId}${query}`, {
      headers: { accept: 'text/html,application/xhtml+xml' },
    });
    expect(answer.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(answer.headers.get('content-security-policy')).toContain("default-src 'none'");
    return await answer.text();
  };
  const all = await page('');
  expect(all).toContain(await lastCode(pool, name));
  expect(all).toContain('&lt;b&gt;&amp;other@example.com');
  expect(all).not.toContain('<b>&other');
  const hers = await page(`&to=${encodeURIComponent(name.toUpperCase())}`);
  expect(hers).toContain(await lastCode(pool, name));
  expect(hers).not.toContain(`<code>${await lastCode(pool, other)}</code>`);
});

test('a mail that cannot be delivered is in no mailbox, whatever would have sent it', async ({
  pool,
}) => {
  const name = await addPerson(pool, 'unreachable');
  const send = new ForgotPasswordCommand({ ClientId: pool.clientId, Username: name });
  await pool.setFaults([
    { operation: 'ForgotPassword', times: 1, fault: { kind: 'deliveryFailure' } },
  ]);
  await expect(pool.client.send(send)).rejects.toMatchObject({
    name: 'CodeDeliveryFailureException',
  });
  expect(await lastCode(pool, name)).toBe('');
  await pool.client.send(send);
  expect(await lastCode(pool, name)).not.toBe('');
});
