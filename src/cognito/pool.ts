import {
  DescribeUserPoolCommand,
  type UserPoolType,
} from '@aws-sdk/client-cognito-identity-provider';
import { cognitoClient, MARK_ATTRIBUTE, type CognitoSettings } from './adapter.ts';
import { poolFindings } from './pool-findings.ts';

const REQUEST_MS = 4000;

/** The pool is not one that Registrar can work with. The message names why. */
export class WrongPool extends Error {
  override readonly name = 'WrongPool';
}

export function hasMarkAttribute(pool: UserPoolType): boolean {
  return (pool.SchemaAttributes ?? []).some(({ Name }) => Name === MARK_ATTRIBUTE);
}

/** Refuses a pool of the wrong kind before a socket opens; a Cognito that is away is only warned
 * about, since the API boots without it. */
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
