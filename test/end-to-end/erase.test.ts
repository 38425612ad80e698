import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import type { Deployment } from '../support/deployment.ts';
import { test } from '../support/deployment-test.ts';

const USAGE = 'usage: npm run erase -- --email a@b.c [--dry-run]';
const erase = (deployment: Deployment, ...args: string[]) =>
  deployment.command('cli/erase.ts', {}, args);

test('npm run erase erases failed and cancelled registrations of an address, without a terminal', async ({
  deployment,
  ledger,
}) => {
  const email = `${randomUUID()}@example.com`;
  const { id: failed } = await ledger.at('failed', { email });
  const { id: cancelled } = await ledger.at('cancelled', { email });
  const other = await ledger.at('failed');
  const report = (dryRun: boolean, registrationIds: string[]) => ({
    code: 0,
    output: `${JSON.stringify({ dryRun, erased: registrationIds.length, registrationIds })}\n`,
  });
  const dry = await erase(deployment, '--email', email, '--dry-run');
  expect(dry).toEqual(report(true, [failed, cancelled]));
  expect((await ledger.row(failed)).email).toBe(email);
  const capitals = ` ${email.toUpperCase()} `;
  expect(await erase(deployment, '--email', capitals)).toEqual(report(false, [failed, cancelled]));
  for (const id of [failed, cancelled]) {
    expect((await ledger.row(id)).email).toBeNull();
    expect(await ledger.events(id)).toContain('personal_data.erased');
  }
  expect((await ledger.row(other.id)).email).toBe(other.email);
  expect(await erase(deployment, '--email', email)).toEqual(report(false, []));
});

test('npm run erase refuses while somebody holds the address, and names what comes first', async ({
  deployment,
  ledger,
}) => {
  const email = `${randomUUID()}@example.com`;
  const past = await ledger.at('failed', { email });
  const open = await ledger.at('roles_pending', { email });
  expect(await erase(deployment, '--email', email)).toEqual({
    code: 1,
    output: `Registration ${open.id} of the address is roles_pending: cancel it first with POST /registrations/${open.id}/cancel. Nothing was erased.\n`,
  });
  const other = `${randomUUID()}@example.com`;
  const { userId } = await ledger.at('completed', { email: other });
  for (const dryRun of [[], ['--dry-run']]) {
    expect(await erase(deployment, '--email', other, ...dryRun)).toEqual({
      code: 1,
      output: `The address belongs to a registered person: use DELETE /users/${userId}. Nothing was erased.\n`,
    });
  }
  expect((await ledger.row(past.id)).email).toBe(email);
});

test.for([{ args: [] }, { args: ['--email', 'nobody'] }, { args: ['--email', ''] }])(
  'npm run erase says what it needs instead of $args',
  async ({ args }, { deployment }) => {
    expect(await erase(deployment, ...args)).toEqual({
      code: 1,
      output: `--email must be an e-mail address. ${USAGE}\n`,
    });
  },
);
