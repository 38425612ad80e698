import type { Challenge } from './challenges.ts';
import { mailCode, newCode, textCode } from './codes.ts';
import type { AppClient, Body, Engine, Pool, User } from './model.ts';
import { attributeOf, emailOf } from './users.ts';

const FACTORS = ['SMS_MFA', 'SOFTWARE_TOKEN_MFA', 'EMAIL_OTP'] as const;
export type Factor = (typeof FACTORS)[number];

export const isFactor = (name: string): name is Factor =>
  (FACTORS as readonly string[]).includes(name);

/** The second factors that the pool knows. */
export function factorsOfPool({ options }: Pool): Factor[] {
  const enabled: Record<Factor, boolean> = {
    SMS_MFA: options.SmsMfaConfiguration !== undefined,
    SOFTWARE_TOKEN_MFA: options.SoftwareTokenMfaConfiguration?.Enabled === true,
    EMAIL_OTP: options.EmailMfaConfiguration !== undefined,
  };
  return FACTORS.filter((factor) => enabled[factor]);
}

/** The challenge that follows the password; undefined: none.
 * Where the pool insists on a second factor, an address or a number is one without being set up. */
export function secondFactor(pool: Pool, user: User): string | undefined {
  const { MfaConfiguration = 'OFF' } = pool.options;
  if (MfaConfiguration === 'OFF') return undefined;
  const [only, ...more] = factorsOf(pool, user);
  if (only === undefined) return MfaConfiguration === 'ON' ? 'MFA_SETUP' : undefined;
  const preferred = user.PreferredMfaSetting;
  if (preferred !== undefined && [only, ...more].some((factor) => factor === preferred)) {
    return preferred;
  }
  return more.length === 0 ? only : 'SELECT_MFA_TYPE';
}

/** The second factors that a user can be asked for. */
export function factorsOf(pool: Pool, user: User): Factor[] {
  const known = factorsOfPool(pool);
  const chosen = known.filter((factor) => user.UserMFASettingList?.includes(factor));
  if (chosen.length > 0 || pool.options.MfaConfiguration !== 'ON') return chosen;
  return known.filter((factor) => factor !== 'SOFTWARE_TOKEN_MFA' && canReceive(user, factor));
}

export function canReceive(user: User, factor: Factor): boolean {
  switch (factor) {
    case 'SMS_MFA':
      return attributeOf(user, 'phone_number') !== undefined;
    case 'EMAIL_OTP':
      return emailOf(user) !== '';
    case 'SOFTWARE_TOKEN_MFA':
      return user.SoftwareToken?.Verified === true;
  }
}

/** Opens a challenge, and sends its code where it has one. */
export function challenge(
  engine: Engine,
  pool: Pool,
  client: AppClient,
  user: User,
  name: string,
  parameters: object = {},
): Body {
  const { code, ...sent } = sendFactorCode(engine, pool, user, name);
  const asked: Challenge = {
    name,
    poolId: pool.options.Id,
    clientId: client.ClientId,
    username: user.Username,
    ...(code !== undefined && { code }),
  };
  return {
    ChallengeName: name,
    ChallengeParameters: { USER_ID_FOR_SRP: user.Username, ...parameters, ...sent },
    Session: openSession(engine, pool, client, asked),
  };
}

export function openSession(
  engine: Engine,
  pool: Pool,
  { AuthSessionValidity = 3 }: AppClient,
  asked: Challenge,
): string {
  return engine.challenges.open(asked, pool.now() + AuthSessionValidity * 60_000);
}

/** The parameters of the challenge of a second factor. */
export function factorParameters(pool: Pool, user: User, name: string): object {
  if (name === 'SELECT_MFA_TYPE') {
    return { MFAS_CAN_CHOOSE: JSON.stringify(factorsOf(pool, user)) };
  }
  if (name !== 'MFA_SETUP') return {};
  const settable = factorsOfPool(pool).filter((factor) => factor === 'SOFTWARE_TOKEN_MFA');
  return { MFAS_CAN_SETUP: JSON.stringify(settable) };
}

function sendFactorCode(
  engine: Engine,
  pool: Pool,
  user: User,
  name: string,
): { code?: string; CODE_DELIVERY_DELIVERY_MEDIUM?: unknown; CODE_DELIVERY_DESTINATION?: unknown } {
  if (name !== 'SMS_MFA' && name !== 'EMAIL_OTP') return {};
  const code = newCode(name === 'EMAIL_OTP' ? 8 : 6);
  const send = name === 'EMAIL_OTP' ? mailCode : textCode;
  const { DeliveryMedium, Destination } = send(engine, pool, user, name, code);
  return {
    code,
    CODE_DELIVERY_DELIVERY_MEDIUM: DeliveryMedium,
    CODE_DELIVERY_DESTINATION: Destination,
  };
}
