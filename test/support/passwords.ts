import { randomBytes } from 'node:crypto';
import {
  InitiateAuthCommand,
  NotAuthorizedException,
} from '@aws-sdk/client-cognito-identity-provider';
import { createSealing } from '../../src/secrets/sealing.ts';
import { Secret } from '../../src/secrets/secret.ts';
import type { TestPool } from './cognito.ts';

export const SEALING = createSealing([{ id: 'test', key: randomBytes(32) }]);

/** As a registration carries it, by the test's key or another one. */
export function sealed(password: string, registrationId: string, sealing = SEALING): Uint8Array {
  return sealing.seal(new Secret(password), registrationId);
}

/** Whether the pool lets somebody in with this password, and with nothing more to do. */
export async function signsIn(pool: TestPool, email: string, password: string): Promise<boolean> {
  try {
    const { AuthenticationResult } = await pool.client.send(
      new InitiateAuthCommand({
        ClientId: pool.clientId,
        AuthFlow: 'USER_PASSWORD_AUTH',
        AuthParameters: { USERNAME: email, PASSWORD: password },
      }),
    );
    return AuthenticationResult?.AccessToken !== undefined;
  } catch (error) {
    if (error instanceof NotAuthorizedException) return false;
    throw error;
  }
}
