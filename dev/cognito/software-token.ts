import { holderOf } from './account-operations.ts';
import type { Operation } from './model.ts';
import { invalidParameter, ServiceError } from './service-error.ts';
import { fitsTotp, newTotpSecret } from './totp.ts';
import { saveChanged } from './users.ts';

/** How a signed-in user sets up an authenticator as a second factor. */
export const SOFTWARE_TOKEN_OPERATIONS: Readonly<Record<string, Operation>> = {
  async AssociateSoftwareToken(engine, pool, body) {
    const user = await holderOf(engine, pool, body);
    const SecretCode = newTotpSecret();
    await saveChanged(pool, user, { SoftwareToken: { SecretCode, Verified: false } });
    return { SecretCode };
  },
  async VerifySoftwareToken(engine, pool, body) {
    const user = await holderOf(engine, pool, body);
    const token = user.SoftwareToken;
    if (token === undefined || !fitsTotp(token.SecretCode, body['UserCode'])) {
      throw new ServiceError('EnableSoftwareTokenMFAException', 'Code mismatch');
    }
    await saveChanged(pool, user, { SoftwareToken: { ...token, Verified: true } });
    return { Status: 'SUCCESS' };
  },
  async SetUserMFAPreference(engine, pool, body) {
    const user = await holderOf(engine, pool, body);
    const { Enabled } = (body['SoftwareTokenMfaSettings'] ?? {}) as { Enabled?: boolean };
    if (Enabled === true && user.SoftwareToken?.Verified !== true) {
      throw invalidParameter('User has not verified software token mfa');
    }
    const UserMFASettingList = Enabled === true ? ['SOFTWARE_TOKEN_MFA'] : [];
    await saveChanged(pool, user, { UserMFASettingList });
    return {};
  },
};
