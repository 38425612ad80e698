import type { UserPoolClientType, UserPoolType } from '@aws-sdk/client-cognito-identity-provider';
import { MARK_ATTRIBUTE } from './adapter.ts';
import { requiredAttributes } from './app-client.ts';

/** What is to be said about a pool. Each is one line of plain text. */
export interface Findings {
  /** Registrar cannot work with it: ends the process. */
  readonly wrong: readonly string[];
  /** Somebody can do what they must not be able to, or a promise of Registrar is not kept. */
  readonly unsafe: readonly string[];
  /** Works as promised, and could be better. */
  readonly advice: readonly string[];
}

const SHORTEST_PASSWORD = 8;

/** What the settings of a pool itself leave open. */
export function poolFindings(pool: UserPoolType): Findings {
  const name = `pool ${pool.Id}`;
  const wrong: string[] = [];
  const unsafe: string[] = [];
  const advice: string[] = [];
  const signsInBy = pool.UsernameAttributes ?? [];
  if (!signsInBy.includes('email') || signsInBy.length > 1) {
    const kind = signsInBy.length > 0 ? signsInBy.join(' and ') : 'user name';
    wrong.push(
      `COGNITO_USER_POOL_ID: ${name} signs in by ${kind}; a pool that signs in by e-mail alone (UsernameAttributes: [email]) is needed`,
    );
  }
  if (pool.UsernameConfiguration?.CaseSensitive !== false) {
    unsafe.push(
      `${name} is case-sensitive, for ever: Ada@example.com and ada@example.com are two people to it. Registrar writes lower case only; others may not`,
    );
  }
  if (pool.AdminCreateUserConfig?.AllowAdminCreateUserOnly !== true) {
    unsafe.push(
      `${name} is open to self sign-up: anybody can create a user in it, and occupy an address, without Registrar. Set AdminCreateUserConfig.AllowAdminCreateUserOnly`,
    );
  }
  const shortest = pool.Policies?.PasswordPolicy?.MinimumLength ?? 0;
  if (shortest < SHORTEST_PASSWORD) {
    unsafe.push(
      `${name} accepts passwords of ${shortest} characters: set the minimum length to ${SHORTEST_PASSWORD} or more`,
    );
  }
  const recovery = pool.AccountRecoverySetting?.RecoveryMechanisms ?? [];
  if (!recovery.some(({ Name }) => Name === 'verified_email')) {
    advice.push(
      `${name} does not name the verified e-mail address for account recovery: a forgotten password is reset by SMS first, or not at all. Add verified_email to AccountRecoverySetting`,
    );
  }
  if ((pool.MfaConfiguration ?? 'OFF') === 'OFF') {
    advice.push(`${name} has MFA off: nobody can add a second factor. Set it to optional or on`);
  }
  if (pool.DeletionProtection !== 'ACTIVE') {
    advice.push(
      `${name} has no deletion protection: one call deletes it with all its users. Set DeletionProtection to ACTIVE`,
    );
  }
  return { wrong, unsafe, advice };
}

/** The settings that our own app client has to fit. */
export interface ClientExpectations {
  readonly cognito: { readonly clientSecret: string | null };
  readonly http: { readonly doors: ReadonlySet<string> };
}

/** What the pool's app clients leave open: ours, and others, whose tokens are the same people's. */
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
        `${nameOf(one)} may write ${MARK_ATTRIBUTE}: whoever signs in there could pass for a leftover of ours, and be deleted. Take it from the client's WriteAttributes`,
    );
  if (requiredAttributes(pool).includes('email')) {
    unsafe.push(
      `pool ${pool.Id} requires email, so AWS lets every app client write it, for ever: ${TAKE_OVER}. With AttributesRequireVerificationBeforeUpdate set to email, an address at least changes only once it is proved`,
    );
  } else {
    for (const one of clients.filter((client) => mayWrite(client, 'email'))) {
      unsafe.push(
        `${nameOf(one)} may write email: ${TAKE_OVER}. Take it from the client's WriteAttributes`,
      );
    }
  }
  if (own) unsafe.push(...ownFindings(own, config).map((text) => `${nameOf(own)} ${text}`));
  return unsafe;
}

const TAKE_OVER =
  'an access token alone can change the address of its account, prove the new one and reset the password';

function ownFindings(own: UserPoolClientType, config: ClientExpectations): string[] {
  const { doors } = config.http;
  const wrong: string[] = [];
  if (!own.ClientSecret) {
    wrong.push(
      'has no secret: anybody can try passwords at Cognito directly, past the limits of Registrar. A secret comes with a new client only',
    );
  }
  if (own.RefreshTokenRotation?.Feature !== 'ENABLED') {
    wrong.push(
      'does not rotate refresh tokens: a stolen one works for as long as its owner’s. Enable RefreshTokenRotation',
    );
  }
  if (!doors.has('session') && !doors.has('signup')) return wrong;
  if (own.ClientSecret && config.cognito.clientSecret === null) {
    wrong.push(
      'has a secret, and COGNITO_CLIENT_SECRET is not set: nobody can sign in at the open doors',
    );
  }
  if (!own.ExplicitAuthFlows?.includes('ALLOW_USER_PASSWORD_AUTH')) {
    wrong.push('does not allow ALLOW_USER_PASSWORD_AUTH: nobody can sign in at the open doors');
  }
  if (own.EnableTokenRevocation === false) {
    wrong.push('has token revocation off: a sign-out would leave its refresh token alive');
  }
  if (own.PreventUserExistenceErrors !== 'ENABLED') {
    wrong.push(
      'does not have PreventUserExistenceErrors ENABLED: it tells by its time who is there',
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
