import {
  DescribeUserPoolCommand,
  type UserPoolType,
} from '@aws-sdk/client-cognito-identity-provider';
import { cognitoClient, MARK_ATTRIBUTE, type CognitoSettings } from './adapter.ts';
import { poolFindings } from './pool-findings.ts';

const REQUEST_MS = 4000;

/** Registrar cannot work with this pool; the message says why. */
export class WrongPool extends Error {
  override readonly name = 'WrongPool';
}

export function hasMarkAttribute(pool: UserPoolType): boolean {
  return (pool.SchemaAttributes ?? []).some(({ Name }) => Name === MARK_ATTRIBUTE);
}

/** Refuses a pool of the wrong kind before a socket opens. If Cognito does not answer, it only logs a
 * warning, since the API can start without Cognito. */
export async function checkPool(
  settings: CognitoSettings,
  log: { warn(fields: object, message: string): void },
): Promise<void> {
  const client = cognitoClient(settings);
  try {
    const { UserPool } = await client.send(
      new DescribeUserPoolCommand({ UserPoolId: settings.userPoolId }),
      { abortSignal: AbortSignal.timeout(REQUEST_MS) },
    );
    const { wrong, unsafe } = poolFindings(UserPool ?? {});
    for (const text of unsafe) log.warn({}, text);
    if (wrong.length > 0) throw new WrongPool(wrong.join('\n'));
  } catch (error) {
    if (error instanceof WrongPool) throw error;
    const name = error instanceof Error ? error.name : 'Unknown';
    log.warn({ error: name }, 'the user pool could not be checked');
  } finally {
    client.destroy();
  }
}
