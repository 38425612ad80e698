import { randomUUID } from 'node:crypto';
import {
  AdminCreateUserCommand,
  AdminSetUserPasswordCommand,
} from '@aws-sdk/client-cognito-identity-provider';
import type { TestPool } from '../../support/cognito.ts';
import { type ApiUnderTest, newBody } from './api-under-test.ts';

export interface SignedUp {
  readonly email: string;
  readonly username: string;
  readonly sub: string;
  readonly registrationId: string;
}

/** A user of the pool with a completed row in the ledger; `permanent` false: owes a new password;
 * `proved` false: signed up and never proved the address. */
export async function createSignedUp(
  api: ApiUnderTest,
  pool: TestPool,
  password: string,
  permanent = true,
  proved = true,
): Promise<SignedUp> {
  const name = randomUUID().slice(0, 8);
  const email = `${name}@example.com`;
  const username = `Ada-${name}`;
  const at = { UserPoolId: pool.userPoolId, Username: email };
  const { User } = await pool.client.send(
    new AdminCreateUserCommand({
      ...at,
      MessageAction: 'SUPPRESS',
      UserAttributes: Object.entries({
        email,
        email_verified: String(proved),
        preferred_username: username,
        given_name: 'Ada',
        family_name: 'Lovelace',
      }).map(([Name, Value]) => ({ Name, Value })),
    }),
  );
  await pool.client.send(
    new AdminSetUserPasswordCommand({ ...at, Password: password, Permanent: permanent }),
  );
  const sub = User?.Username ?? '';
  const { id } = (
    await api.call('/registrations', { method: 'POST', json: newBody({ email, username }) })
  ).body;
  await api.row(id, {
    status: 'completed',
    cognito_username: sub,
    user_id: sub,
    finished_at: new Date(),
    email_verified: proved,
    ...(proved ? {} : { door: 'signup', invite: false }),
  });
  return { email, username, sub, registrationId: id };
}
