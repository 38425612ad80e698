import type { UserPoolClientType, UserPoolType } from '@aws-sdk/client-cognito-identity-provider';
import { MARK_ATTRIBUTE } from './adapter.ts';
import { requiredAttributes } from './app-client.ts';

/** Findings about a pool, each one line of plain text. */
export interface Findings {
  /** Registrar cannot work with the pool: the process ends. */
  readonly wrong: readonly string[];
  /** A setting allows what must not be possible, or breaks a promise of Registrar. */
  readonly unsafe: readonly string[];
  /** Registrar works, but the setting should be improved. */
  readonly advice: readonly string[];
}

const SHORTEST_PASSWORD = 8;

/** Findings about the settings of the pool itself. */
export function poolFindings(pool: UserPoolType): Findings {
  const name = `pool ${pool.Id}`;
  const wrong: string[] = [];
  const unsafe: string[] = [];
  const advice: string[] = [];
  const signsInBy = pool.UsernameAttributes ?? [];
  if (!signsInBy.includes('email') || signsInBy.length > 1) {
    const kind = signsInBy.length > 0 ? signsInBy.join(' and ') : 'username';
    wrong.push(
      `COGNITO_USER_POOL_ID: ${name} signs in by ${kind}; Registrar requires a pool that signs in by e-mail only (UsernameAttributes: [email])`,
    );
  }
  if (pool.UsernameConfiguration?.CaseSensitive !== false) {
    unsafe.push(
      `${name} is case-sensitive, and this cannot be changed: Ada@example.com and ada@example.com are two users. Registrar writes lower case only; other programs may not`,
    );
  }
  if (pool.AdminCreateUserConfig?.AllowAdminCreateUserOnly !== true) {
    unsafe.push(
      `${name} allows self sign-up: anyone can create a user without Registrar and block an address. Set AdminCreateUserConfig.AllowAdminCreateUserOnly`,
    );
  }
  const shortest = pool.Policies?.PasswordPolicy?.MinimumLength ?? 0;
  if (shortest < SHORTEST_PASSWORD) {
    unsafe.push(
      `${name} accepts passwords of ${shortest} characters: set the minimum password length to ${SHORTEST_PASSWORD} or more`,
    );
  }
  const recovery = pool.AccountRecoverySetting?.RecoveryMechanisms ?? [];
  if (!recovery.some(({ Name }) => Name === 'verified_email')) {
    advice.push(
      `${name} does not use the verified e-mail address for account recovery: a forgotten password is reset by SMS or not at all. Add verified_email to AccountRecoverySetting`,
    );
  }
  if ((pool.MfaConfiguration ?? 'OFF') === 'OFF') {
    advice.push(
      `${name} has MFA turned off: users cannot add a second factor. Set MfaConfiguration to OPTIONAL or ON`,
    );
  }
  if (pool.DeletionProtection !== 'ACTIVE') {
    advice.push(
      `${name} has no deletion protection: one call deletes the pool with all its users. Set DeletionProtection to ACTIVE`,
    );
  }
  return { wrong, unsafe, advice };
}

/** The configuration that our app client has to match. */
export interface ClientExpectations {
  readonly cognito: { readonly clientSecret: string | null };
  readonly http: { readonly doors: ReadonlySet<string> };
}

/** Findings about all app clients of the pool: the users of other clients are the same people. */
export function clientFindings(
  pool: UserPoolType,
  clients: readonly UserPoolClientType[],
  own: UserPoolClientType | undefined,
  config: ClientExpectations,
): string[] {
  const unsafe = clients
    .filter((one) => mayWrite(one, MARK_ATTRIBUTE))
    .map(
      (one) =>
        `${nameOf(one)} may write ${MARK_ATTRIBUTE}: a user who signs in with this client could set it, and Registrar could then delete that user. Remove it from the WriteAttributes of the client`,
    );
  if (requiredAttributes(pool).includes('email')) {
    unsafe.push(
      `pool ${pool.Id} requires the attribute email, so AWS lets every app client write it, and this cannot be changed: ${TAKE_OVER}. Set AttributesRequireVerificationBeforeUpdate to email: an address then changes only after it is verified`,
    );
  } else {
    for (const one of clients.filter((client) => mayWrite(client, 'email'))) {
      unsafe.push(
        `${nameOf(one)} may write email: ${TAKE_OVER}. Remove it from the WriteAttributes of the client`,
      );
    }
  }
  if (own) unsafe.push(...ownFindings(own, config).map((text) => `${nameOf(own)} ${text}`));
  return unsafe;
}

const TAKE_OVER =
  'with only an access token, an attacker can change the address of the account, verify the new address and reset the password';

function ownFindings(own: UserPoolClientType, config: ClientExpectations): string[] {
  const { doors } = config.http;
  const wrong: string[] = [];
  if (!own.ClientSecret) {
    wrong.push(
      'has no secret: anyone can try passwords at Cognito directly and bypass the rate limits of Registrar. A secret can be set only when a client is created: create a new client',
    );
  }
  if (own.RefreshTokenRotation?.Feature !== 'ENABLED') {
    wrong.push(
      'does not rotate refresh tokens: a stolen token works until it expires. Enable RefreshTokenRotation',
    );
  }
  const grace = own.RefreshTokenRotation?.RetryGracePeriodSeconds ?? 0;
  if (own.RefreshTokenRotation?.Feature === 'ENABLED' && grace > 0) {
    wrong.push(
      `accepts a refresh token for ${grace} seconds after it was used: a thief could use it too. Set RetryGracePeriodSeconds of RefreshTokenRotation to 0`,
    );
  }
  if (!doors.has('session') && !doors.has('signup')) return wrong;
  if (own.ClientSecret && config.cognito.clientSecret === null) {
    wrong.push(
      'has a secret, but COGNITO_CLIENT_SECRET is not set: users cannot sign in at the open doors',
    );
  }
  if (!own.ExplicitAuthFlows?.includes('ALLOW_USER_PASSWORD_AUTH')) {
    wrong.push('does not allow ALLOW_USER_PASSWORD_AUTH: users cannot sign in at the open doors');
  }
  if (own.EnableTokenRevocation === false) {
    wrong.push(
      'has token revocation turned off: refresh tokens stay valid after sign-out. Enable EnableTokenRevocation',
    );
  }
  if (own.PreventUserExistenceErrors !== 'ENABLED') {
    wrong.push(
      'does not set PreventUserExistenceErrors to ENABLED: response times show which users exist',
    );
  }
  return wrong;
}

/** Without WriteAttributes a client may write the standard attributes, and no custom one. */
function mayWrite({ WriteAttributes = [] }: UserPoolClientType, attribute: string): boolean {
  if (WriteAttributes.length > 0) return WriteAttributes.includes(attribute);
  return !attribute.startsWith('custom:');
}

function nameOf({ ClientName, ClientId }: UserPoolClientType): string {
  return `app client ${ClientName} (${ClientId})`;
}
