import { createHmac } from 'node:crypto';
import type { AppClient, Body, Engine, Pool } from './model.ts';
import { notAuthorized, ServiceError } from './service-error.ts';

/** What an app client, and whoever signed in there, may do. */

/** The service sets these itself, and takes them from nobody's token. */
const NEVER_WRITABLE = ['sub', 'email_verified', 'phone_number_verified'];

/** Refuses to change, as a user, attributes that the client may not write. Without a list of
 * its own a client may write the standard attributes, and no custom one; what the pool requires is
 * writable by every client. */
export function refuseUnwritable(
  pool: Pool,
  client: AppClient | null,
  names: readonly string[],
): void {
  const writable = client?.WriteAttributes;
  const required = (pool.options.SchemaAttributes ?? []).filter(({ Required }) => Required);
  for (const name of names) {
    const may = writable ? writable.includes(name) : !name.startsWith('custom:');
    const allowed = may || required.some(({ Name }) => Name === name);
    if (!allowed || NEVER_WRITABLE.includes(name)) {
      throw notAuthorized('A client attempted to write unauthorized attribute');
    }
  }
}

/** Operations without a token that name a person; their proof of the client's secret. */
const PROVED_BY_HASH = new Set(['ConfirmForgotPassword', 'ForgotPassword', 'SignUp']);

const CHALLENGE_ANSWERS = new Set(['RespondToAuthChallenge', 'AdminRespondToAuthChallenge']);

/** Refuses an operation without a token that does not prove the secret of its client. */
export async function refuseUnproved(engine: Engine, operation: string, body: Body): Promise<void> {
  const answers = CHALLENGE_ANSWERS.has(operation);
  if (!answers && !PROVED_BY_HASH.has(operation)) return;
  const client = await engine.client(String(body['ClientId']));
  if (client === null) return;
  const given = answers ? ((body['ChallengeResponses'] ?? {}) as Body) : body;
  const username = String(given[answers ? 'USERNAME' : 'Username']);
  refuseWrongHash(client, username, given[answers ? 'SECRET_HASH' : 'SecretHash']);
}

export function refuseWrongHash(client: AppClient, username: string, given: unknown): void {
  const { ClientId, ClientSecret } = client;
  if (ClientSecret === undefined) return;
  if (given === undefined) {
    throw notAuthorized(
      `Client ${ClientId} is configured with secret but SECRET_HASH was not received`,
    );
  }
  const right = createHmac('sha256', ClientSecret).update(username + ClientId);
  if (given !== right.digest('base64')) {
    throw notAuthorized(`SecretHash does not match for the client: ${ClientId}`);
  }
}

export function refuseWrongSecret({ ClientId, ClientSecret }: AppClient, given: unknown): void {
  if (ClientSecret === undefined || ClientSecret === given) return;
  throw notAuthorized(`Unable to verify secret for client ${ClientId}`);
}

export async function clientOf(engine: Engine, body: Body): Promise<AppClient> {
  const client = await engine.client(String(body['ClientId']));
  if (client) return client;
  throw new ServiceError('ResourceNotFoundException', 'User pool client does not exist.');
}

/** A pool whose users only administrators create. */
export function refuseSelfSignUp({ options }: Pool): void {
  if (options.AdminCreateUserConfig?.AllowAdminCreateUserOnly !== true) return;
  throw notAuthorized('SignUp is not permitted for this user pool');
}
