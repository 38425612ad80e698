import type { AppClient, Body, Engine, Pool } from './engine.ts';
import { invalidParameter } from './service-error.ts';

/** Settings of clients and pools that cognito-local does not keep. */

const OF_CLIENTS = ['RefreshTokenRotation', 'ClientSecret'] as const;

/** CreateUserPoolClient and UpdateUserPoolClient: refuses what the service refuses. */
export function checkClientSettings(body: Body): void {
  if (body['GenerateSecret'] === true && body['ClientSecret'] !== undefined) {
    throw invalidParameter('GenerateSecret and ClientSecret cannot both be given.');
  }
  const rotation = body['RefreshTokenRotation'] as AppClient['RefreshTokenRotation'];
  const { Feature, RetryGracePeriodSeconds = 0 } = rotation ?? {};
  if (Feature === 'ENABLED' && RetryGracePeriodSeconds !== 0) {
    throw invalidParameter('the sandbox supports only RetryGracePeriodSeconds 0');
  }
}

/** Keeps with the client of an answer what the request set, and shows it. */
export async function keepClientSettings(
  engine: Engine,
  pool: Pool,
  body: Body,
  answer: Body,
): Promise<Body> {
  const shown = answer['UserPoolClient'] as Body;
  const client = await engine.client(String(shown['ClientId']));
  if (client === null) return answer;
  const set = Object.fromEntries(
    OF_CLIENTS.filter((name) => body[name] !== undefined).map((name) => [name, body[name]]),
  );
  const kept = { ...client, ...set };
  await pool.saveAppClient(engine.ctx, kept);
  return { UserPoolClient: { ...shown, ...settingsOf(kept) } };
}

/** DescribeUserPoolClient with all of its settings. */
export async function withClientSettings(engine: Engine, answer: Body): Promise<Body> {
  const shown = answer['UserPoolClient'] as Body;
  const client = await engine.client(String(shown['ClientId']));
  return client ? { UserPoolClient: { ...shown, ...settingsOf(client) } } : answer;
}

function settingsOf(client: AppClient): Body {
  return Object.fromEntries(OF_CLIENTS.map((name) => [name, client[name]]));
}

/** CreateUserPool and UpdateUserPool keep the deletion protection; without a word it is off. */
export async function keepPoolSettings(engine: Engine, pool: Pool, body: Body): Promise<void> {
  const DeletionProtection = body['DeletionProtection'] === 'ACTIVE' ? 'ACTIVE' : 'INACTIVE';
  await pool.updateOptions(engine.ctx, { ...pool.options, DeletionProtection });
}

/** DescribeUserPool with all of its settings. */
export function withPoolSettings(pool: Pool, answer: Body): Body {
  const shown = answer['UserPool'] as Body;
  const { DeletionProtection = 'INACTIVE', UserAttributeUpdateSettings } = pool.options;
  return { UserPool: { ...shown, DeletionProtection, UserAttributeUpdateSettings } };
}

export function refuseProtected({ options }: Pool): void {
  if (options.DeletionProtection !== 'ACTIVE') return;
  throw invalidParameter(
    'The user pool cannot be deleted because deletion protection is activated. Deletion protection must be inactivated first.',
  );
}
