import { holderOf } from './account-operations.ts';
import type { Body, Operation, Pool, User } from './model.ts';
import { canReceive, type Factor } from './second-factors.ts';
import { invalidParameter, ServiceError, userNotFound } from './service-error.ts';
import { saveChanged } from './users.ts';

/** Which second factors a pool knows and a user is asked for. */
export const MFA_OPERATIONS: Readonly<Record<string, Operation>> = {
  async SetUserPoolMfaConfig(_engine, pool, body) {
    const { MfaConfiguration = 'OFF' } = body;
    const factors = Object.fromEntries(FACTOR_SETTINGS.map((name) => [name, body[name]]));
    const { SoftwareTokenMfaConfiguration: token, ...messages } = factors;
    const any =
      (token as { Enabled?: boolean } | undefined)?.Enabled === true ||
      Object.values(messages).some((settings) => settings !== undefined);
    if (MfaConfiguration !== 'OFF' && !any) {
      throw invalidParameter(
        'Invalid MFA configuration given, cannot turn on MFA and disable all MFA types',
      );
    }
    await pool.updateOptions({
      ...pool.options,
      ...factors,
      MfaConfiguration: String(MfaConfiguration),
    });
    return mfaConfigOf(pool);
  },
  GetUserPoolMfaConfig: async (_engine, pool) => mfaConfigOf(pool),
  async SetUserMFAPreference(engine, pool, body) {
    return prefer(pool, await holderOf(engine, pool, body), body);
  },
  async AdminSetUserMFAPreference(_engine, pool, body) {
    const user = await pool.getUserByUsername(String(body['Username']));
    if (user === null) throw userNotFound();
    return prefer(pool, user, body);
  },
  // Nothing remembers devices here, so there is never one to list or to forget.
  AdminListDevices: async () => ({ Devices: [] }),
  async AdminForgetDevice() {
    throw new ServiceError('ResourceNotFoundException', 'Device does not exist.');
  },
};

const FACTOR_SETTINGS = [
  'SmsMfaConfiguration',
  'SoftwareTokenMfaConfiguration',
  'EmailMfaConfiguration',
] as const;

function mfaConfigOf({ options }: Pool): Body {
  const { MfaConfiguration } = options;
  const factors = FACTOR_SETTINGS.map((name) => [name, options[name]]);
  return { MfaConfiguration, ...Object.fromEntries(factors) };
}

const PREFERENCES: readonly (readonly [string, Factor])[] = [
  ['SMSMfaSettings', 'SMS_MFA'],
  ['SoftwareTokenMfaSettings', 'SOFTWARE_TOKEN_MFA'],
  ['EmailMfaSettings', 'EMAIL_OTP'],
];

/** A factor that the request does not name stays as it is. */
async function prefer(pool: Pool, user: User, body: Body): Promise<Body> {
  const list = new Set(user.UserMFASettingList);
  let preferred = user.PreferredMfaSetting;
  for (const [setting, factor] of PREFERENCES) {
    const asked = body[setting] as { Enabled?: boolean; PreferredMfa?: boolean } | undefined;
    if (asked === undefined) continue;
    const { Enabled = false, PreferredMfa = false } = asked;
    if (Enabled && !canReceive(user, factor)) throw notSetUp(factor);
    if (PreferredMfa && !Enabled) {
      throw invalidParameter('Cannot set a disabled MFA type as preferred');
    }
    if (Enabled) list.add(factor);
    else list.delete(factor);
    if (PreferredMfa) preferred = factor;
    else if (preferred === factor) preferred = undefined;
  }
  await saveChanged(pool, user, { UserMFASettingList: [...list], PreferredMfaSetting: preferred });
  return {};
}

const notSetUp = (factor: Factor): ServiceError =>
  invalidParameter(
    factor === 'SOFTWARE_TOKEN_MFA'
      ? 'User has not verified software token mfa'
      : `User does not have delivery config set to turn on ${factor}`,
  );
