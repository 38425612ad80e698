import { AdminGetUserCommand } from '@aws-sdk/client-cognito-identity-provider';
import { expect, vi } from 'vitest';
import { cognitoClient, createCognito } from '../../../../src/cognito/adapter.ts';
import { SANDBOX_CREDENTIALS } from '../../../../dev/cognito/client.ts';
import { outcomeOf } from '../../../../src/cognito/classify.ts';
import { ProviderError } from '../../../../src/cognito/provider-error.ts';
import { registerAtOnce } from '../../../../activities/registration/register-at-once.ts';
import { publicFailure } from '../../../../src/domain/failure.ts';
import { CALL_OUTCOMES, type ProviderCall } from '../../../../src/domain/telemetry.ts';
import { beginCompensation } from '../../../../src/ledger/registrations/compensation.ts';
import { complete } from '../../../../src/ledger/registrations/transitions.ts';
import { times } from '../../ledger/ledger-under-test.ts';
import { closeProved } from '../../../support/close-proved.ts';
import { test } from '../../../support/steps-test.ts';

const FAILED = { closesAs: 'failed', failure: publicFailure('role_missing') } as const;
const CANCELLED = publicFailure('registration_cancelled');

test.afterEach(async ({ steps }) => {
  vi.unstubAllEnvs();
  await steps.pool.clearFaults();
});

/** What was told, as `status` of the row. */
function listen() {
  const told: string[] = [];
  return { told, moved: ({ status }: { status: string }) => void told.push(status) };
}

test('a completion that is repeated concurrently is counted once', async ({ steps }) => {
  const { told, moved } = listen();
  const row = await steps.begun();
  const telemetry = { ...steps.context().telemetry, statusChanged: moved };
  await registerAtOnce(steps.context({ telemetry }), row.id);
  expect(told).toEqual(['completed']);
  await times(20, () => complete(steps.db, row.id, ['viewer'], {}, moved));
  expect(told).toEqual(['completed']);
});

test('the beginning and the end of a compensation are counted once each when repeated concurrently', async ({
  steps,
}) => {
  const { told, moved } = listen();
  const { id } = await steps.begun();
  await times(20, () => beginCompensation(steps.db, id, FAILED, CANCELLED, {}, moved));
  expect(told).toEqual(['compensating']);
  await times(20, () => closeProved(steps.db, id, moved));
  expect(told).toEqual(['compensating', 'failed']);
});

test('a rolled back transition is not counted, and its repetition is', async ({ steps }) => {
  const { told, moved } = listen();
  const { id } = await steps.begun();
  await steps.cutWhileAppending(1);
  await expect(beginCompensation(steps.db, id, FAILED, CANCELLED, {}, moved)).rejects.toMatchObject(
    { name: 'DatabaseError' },
  );
  expect(told).toEqual([]);
  for (let moves = 0; told.length === 0 && moves < 20; moves += 1) {
    await beginCompensation(steps.db, id, FAILED, CANCELLED, {}, moved).catch(() => undefined);
  }
  expect(told).toEqual(['compensating']);
});

test('every Cognito call is counted with its outcome, whoever makes it', async ({ steps }) => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', SANDBOX_CREDENTIALS.accessKeyId);
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', SANDBOX_CREDENTIALS.secretAccessKey);
  const calls: ProviderCall[] = [];
  const { endpoint, region, userPoolId } = steps.pool;
  const client = cognitoClient({ endpoint, region, userPoolId }, (call) => calls.push(call));
  const provider = createCognito(client, userPoolId);
  const signal = AbortSignal.timeout(4000);
  await provider.listRoles(signal);
  await steps.pool.setFaults([
    { operation: 'AdminDeleteUser', times: 1, fault: { kind: 'throttle' } },
    { operation: 'AdminDeleteUser', fault: { kind: 'server' } },
  ]);
  await expect(provider.deleteUser('a@example.com', signal)).rejects.toThrow(ProviderError);
  await expect(provider.deleteUser('a@example.com', signal)).rejects.toThrow(ProviderError);
  await expect(
    client.send(new AdminGetUserCommand({ UserPoolId: userPoolId, Username: 'nobody' })),
  ).rejects.toMatchObject({ name: 'UserNotFoundException' });
  expect(calls.map(({ operation, outcome }) => [operation, outcome])).toEqual([
    ['ListGroups', 'ok'],
    ['AdminDeleteUser', 'throttled'],
    ['AdminDeleteUser', 'server_error'],
    ['AdminGetUser', 'missing'],
  ]);
  expect(calls.every(({ seconds }) => seconds > 0 && seconds < 4)).toBe(true);
  client.destroy();
});

test.each([
  ['TooManyRequestsException', 400, 'throttled'],
  ['TimeoutError', null, 'no_reply'],
  ['InternalErrorException', 500, 'server_error'],
  ['SomethingNew', 503, 'server_error'],
  ['AliasExistsException', 400, 'exists'],
  ['ResourceNotFoundException', 400, 'missing'],
  ['InvalidPasswordException', 400, 'rejected'],
  ['InvalidSmsRoleAccessPolicyException', 400, 'refused'],
  ['SomethingNew', 400, 'other'],
])('%s (%s) counts as %s', (name, status, outcome) => {
  expect(outcomeOf(new ProviderError(name, status))).toBe(outcome);
  expect(CALL_OUTCOMES).toContain(outcome);
});
