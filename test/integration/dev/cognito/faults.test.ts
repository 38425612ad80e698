import {
  AdminAddUserToGroupCommand,
  AdminCreateUserCommand,
  AdminDeleteUserCommand,
  AdminGetUserCommand,
  ListUsersCommand,
} from '@aws-sdk/client-cognito-identity-provider';
import { expect, vi } from 'vitest';
import type { Rule } from '../../../../dev/cognito/fault-plan.ts';
import { FaultPlanError, parseFaultPlan } from '../../../../dev/cognito/fault-plan.ts';
import { createTestPool, type TestPool } from '../../../support/cognito.ts';
import { test } from '../../../support/base-test.ts';

let UserPoolId: string;
let next = 0;

test.beforeAll(async ({ pool }) => {
  UserPoolId = pool.userPoolId;
});

test.afterEach(({ pool }) => pool.clearFaults());

const freshAddress = (): string => `user-${(next += 1)}@example.com`;

const create = (
  pool: TestPool,
  Username: string,
  MessageAction: 'SUPPRESS' | 'RESEND' = 'SUPPRESS',
) =>
  pool.client.send(
    new AdminCreateUserCommand({
      UserPoolId,
      Username,
      MessageAction,
      DesiredDeliveryMediums: ['EMAIL'],
    }),
  );

const addTo = (pool: TestPool, Username: string, GroupName: string) =>
  pool.client.send(new AdminAddUserToGroupCommand({ UserPoolId, Username, GroupName }));

const exists = (pool: TestPool, Username: string): Promise<boolean> =>
  pool.client.send(new AdminGetUserCommand({ UserPoolId, Username })).then(
    () => true,
    () => false,
  );

const REFUSALS: readonly (readonly [string, Rule['fault'], object])[] = [
  ['503', { kind: 'server' }, { $metadata: expect.objectContaining({ httpStatusCode: 503 }) }],
  ['500', { kind: 'server', status: 500 }, { name: 'InternalErrorException' }],
  [
    'throttle',
    { kind: 'throttle' },
    {
      name: 'TooManyRequestsException',
      $metadata: expect.objectContaining({ httpStatusCode: 400 }),
    },
  ],
  ['refused', { kind: 'refused' }, { name: 'NotAuthorizedException' }],
  [
    'expired',
    { kind: 'refused', error: 'ExpiredTokenException' },
    { name: 'ExpiredTokenException' },
  ],
  [
    'any error',
    { kind: 'error', error: 'LimitExceededException' },
    { name: 'LimitExceededException' },
  ],
];

test.for(REFUSALS)(
  'the fault %s refuses a call without effect',
  async ([_name, fault, expected], { pool }) => {
    const address = freshAddress();
    await pool.setFaults([{ operation: 'AdminCreateUser', fault }]);
    await expect(create(pool, address)).rejects.toEqual(expect.objectContaining(expected));
    expect(await exists(pool, address)).toBe(false);
  },
);

test('after, times and match select the calls that a fault meets', async ({ pool }) => {
  const [parked, fine] = [freshAddress(), freshAddress()];
  await create(pool, parked);
  await create(pool, fine);
  await pool.setFaults([
    {
      operation: 'AdminAddUserToGroup',
      match: { email: `${parked.split('@')[0]}@*`, group: 'view*' },
      after: 1,
      times: 2,
      fault: { kind: 'server' },
    },
  ]);
  const outcomes: boolean[] = [];
  for (const _ of [1, 2, 3, 4]) {
    outcomes.push(
      await addTo(pool, parked, 'viewer').then(
        () => true,
        () => false,
      ),
    );
  }
  expect(outcomes).toEqual([true, false, false, true]);
  await addTo(pool, fine, 'viewer');
  await addTo(pool, parked, 'manager');
});

test('a lost reply cuts the connection: before, after, or long before its effect', async ({
  pool,
}) => {
  const lost = (fault: object) =>
    pool.setFaults([
      { operation: 'AdminCreateUser', times: 1, fault: { kind: 'replyLost', ...fault } as never },
    ]);
  const [before, after, late] = [freshAddress(), freshAddress(), freshAddress()];
  await lost({ effect: 'before' });
  await expect(create(pool, before)).rejects.toEqual(
    expect.objectContaining({ code: 'ECONNRESET' }),
  );
  expect(await exists(pool, before)).toBe(false);
  await lost({ effect: 'after' });
  await expect(create(pool, after)).rejects.toEqual(
    expect.objectContaining({ code: 'ECONNRESET' }),
  );
  expect(await exists(pool, after)).toBe(true);
  await lost({ effect: 'after', lateMs: 300 });
  await expect(create(pool, late)).rejects.toEqual(expect.objectContaining({ code: 'ECONNRESET' }));
  expect(await exists(pool, late)).toBe(false);
  await vi.waitFor(async () => expect(await exists(pool, late)).toBe(true), { timeout: 5_000 });
});

test('a connection that is cut after a time may be cut after the effect has landed', async ({
  pool,
}) => {
  const address = freshAddress();
  await pool.setFaults([
    {
      operation: 'AdminCreateUser',
      fault: { kind: 'replyLost', effect: 'after', lateMs: 50, cutAfterMs: 400 },
    },
  ]);
  const began = performance.now();
  await expect(create(pool, address)).rejects.toEqual(
    expect.objectContaining({ code: 'ECONNRESET' }),
  );
  expect(performance.now() - began).toBeGreaterThanOrEqual(395);
  expect(await exists(pool, address)).toBe(true);
});

test('a caller that gives up first does not stop the effect from landing', async ({ pool }) => {
  const address = freshAddress();
  await pool.setFaults([
    {
      operation: 'AdminCreateUser',
      fault: { kind: 'replyLost', effect: 'after', lateMs: 300, cutAfterMs: 60_000 },
    },
  ]);
  const command = new AdminCreateUserCommand({
    UserPoolId,
    Username: address,
    MessageAction: 'SUPPRESS',
  });
  const impatient = pool.client.send(command, { abortSignal: AbortSignal.timeout(100) });
  await expect(impatient).rejects.toEqual(expect.objectContaining({ name: 'AbortError' }));
  await vi.waitFor(async () => expect(await exists(pool, address)).toBe(true), { timeout: 5_000 });
});

/** The subs of everybody who has this address. */
const subsOf = async (pool: TestPool, address: string): Promise<string[]> => {
  const Filter = `email = "${address}"`;
  const { Users = [] } = await pool.client.send(new ListUsersCommand({ UserPoolId, Filter }));
  return Users.map(
    ({ Attributes = [] }) => Attributes.find(({ Name }) => Name === 'sub')?.Value ?? '',
  );
};

test('an error of the service may come before its effect', async ({ pool }) => {
  const address = freshAddress();
  await pool.setFaults([
    { operation: 'AdminCreateUser', times: 1, fault: { kind: 'server', lateMs: 300 } },
  ]);
  await expect(create(pool, address)).rejects.toEqual(
    expect.objectContaining({ $metadata: expect.objectContaining({ httpStatusCode: 503 }) }),
  );
  expect([await exists(pool, address), await pool.late()]).toEqual([false, 1]);
  await vi.waitFor(async () => expect(await exists(pool, address)).toBe(true), { timeout: 5_000 });
});

test('duplicate: two creates that come within the window both persist', async ({ pool }) => {
  const address = freshAddress();
  await pool.setFaults([
    { operation: 'AdminCreateUser', fault: { kind: 'duplicate', ms: 60_000 } },
  ]);
  await create(pool, address);
  await create(pool, address);
  const subs = await subsOf(pool, address);
  expect(new Set(subs).size).toBe(2);
  // Whoever asks by the address meets one of them at a time.
  await pool.client.send(new AdminDeleteUserCommand({ UserPoolId, Username: address }));
  expect(await subsOf(pool, address)).toHaveLength(1);
  await pool.client.send(new AdminDeleteUserCommand({ UserPoolId, Username: address }));
  expect(await exists(pool, address)).toBe(false);
});

test('duplicate: a create that came before the window is seen, however late it took effect', async ({
  pool,
}) => {
  const address = freshAddress();
  await pool.setFaults([
    { operation: 'AdminCreateUser', fault: { kind: 'duplicate', ms: 200 } },
    {
      operation: 'AdminCreateUser',
      times: 1,
      fault: { kind: 'replyLost', effect: 'after', lateMs: 300 },
    },
  ]);
  await expect(create(pool, address)).rejects.toThrow('socket hang up');
  await vi.waitFor(async () => expect(await pool.late()).toBe(0), { timeout: 5_000 });
  await expect(create(pool, address)).rejects.toEqual(
    expect.objectContaining({ name: 'UsernameExistsException' }),
  );
  expect(await subsOf(pool, address)).toHaveLength(1);
});

test('latency delays, lag hides a new user for a while', async ({ pool }) => {
  const address = freshAddress();
  await pool.setFaults([
    { operation: 'AdminCreateUser', fault: { kind: 'latency', ms: 150 } },
    { operation: 'AdminCreateUser', fault: { kind: 'lag', ms: 400 } },
  ]);
  const began = Date.now();
  await create(pool, address);
  expect(Date.now() - began).toBeGreaterThanOrEqual(145);
  await expect(addTo(pool, address, 'viewer')).rejects.toEqual(
    expect.objectContaining({ name: 'UserNotFoundException' }),
  );
  const Filter = `email = "${address}"`;
  const list = await pool.client.send(new ListUsersCommand({ UserPoolId, Filter }));
  expect(list.Users).toEqual([]);
  await expect(create(pool, address)).rejects.toEqual(
    expect.objectContaining({ name: 'UsernameExistsException' }),
  );
  await vi.waitFor(() => addTo(pool, address, 'viewer'), { timeout: 5_000 });
});

test('a delivery failure comes after the effect, and no mail is recorded', async ({ pool }) => {
  const address = freshAddress();
  await create(pool, address);
  await pool.setFaults([{ operation: 'AdminCreateUser', fault: { kind: 'deliveryFailure' } }]);
  const failure = expect.objectContaining({ name: 'CodeDeliveryFailureException' });
  await expect(create(pool, address, 'RESEND')).rejects.toEqual(failure);
  expect((await pool.mail()).filter(({ to }) => to === address)).toEqual([]);
  const other = freshAddress();
  await expect(create(pool, other)).rejects.toEqual(failure);
  expect(await exists(pool, other)).toBe(true);
});

test('calls and effects are counted apart, per pool', async ({ pool }) => {
  await pool.clearCalls();
  const address = freshAddress();
  await create(pool, address);
  await create(pool, address).catch(() => undefined);
  expect(await pool.calls()).toEqual({ AdminCreateUser: { calls: 2, done: 1 } });
  const other = await createTestPool();
  expect(await other.calls()).not.toHaveProperty('AdminCreateUser');
  await other.remove();
});

test.each([
  [{}, 'a fault plan is a list of rules'],
  [[1], 'rule 1: not an object'],
  [[{ operation: 'AdminGetUser', fault: { kind: 'fire' } }], 'rule 1: fault.kind is one of'],
  [[{ operation: 'AdminGetUser', fault: { kind: 'latency' } }], 'rule 1: fault.ms is missing'],
  [[{ operation: 'AdminAddUserToRole', fault: { kind: 'server' } }], 'rule 1: operation is wrong'],
  [[{ operation: 'AdminGetUser', fault: { kind: 'lag', ms: 1 } }], 'rule 1: fault.kind lag fits'],
  [
    [{ operation: 'AdminCreateUser', fault: { kind: 'lag', ms: 1, hides: ['GetAdmin'] } }],
    'rule 1: fault.hides is wrong',
  ],
  [
    [
      {
        operation: 'AdminCreateUser',
        fault: { kind: 'replyLost', effect: 'before', lateMs: 1 },
      },
    ],
    'rule 1: fault.lateMs needs effect "after"',
  ],
  [
    [
      {
        operation: 'AdminCreateUser',
        fault: { kind: 'replyLost', effect: 'after', cutAfterMs: '1' },
      },
    ],
    'rule 1: fault.cutAfterMs is wrong',
  ],
  [[{ operation: 'x y', fault: { kind: 'throttle' } }], 'rule 1: operation is wrong'],
  [[{ operation: '*', fault: { kind: 'throttle', ms: 1 } }], 'rule 1: fault.ms is not known'],
  [[{ operation: '*', match: { mail: 'x' }, fault: { kind: 'throttle' } }], 'rule 1: match.mail'],
])('a wrong plan is refused by name: %j', (plan, message) => {
  expect(() => parseFaultPlan(plan)).toThrow(FaultPlanError);
  expect(() => parseFaultPlan(plan)).toThrow(message);
});
