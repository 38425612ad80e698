import { randomBytes } from 'node:crypto';
import {
  AdminDeleteUserAttributesCommand,
  AdminDisableUserCommand,
  AdminEnableUserCommand,
  AdminForgetDeviceCommand,
  AdminListDevicesCommand,
  AdminSetUserMFAPreferenceCommand,
  AdminSetUserPasswordCommand,
  AdminUpdateUserAttributesCommand,
  AdminUserGlobalSignOutCommand,
  type CognitoIdentityProviderClient,
} from '@aws-sdk/client-cognito-identity-provider';
import type { AccountAdministration } from '../domain/account.ts';
import { atProvider } from './call.ts';
import { toProviderError } from './provider-error.ts';

/** Answers of AdminListDevices from a pool that remembers no devices. */
const NO_DEVICES = new Set(['InvalidUserPoolConfigurationException', 'InvalidParameterException']);
const DEVICES_AT_ONCE = 60;

/** Calls about one user, with the credentials of the process. */
export function createAccountAdministration(
  client: CognitoIdentityProviderClient,
  userPoolId: string,
): AccountAdministration {
  const of = (username: string) => ({ UserPoolId: userPoolId, Username: username });
  return {
    disableUser: (username, signal) =>
      atProvider(signal, async (abortSignal) => {
        await client.send(new AdminDisableUserCommand(of(username)), { abortSignal });
      }),
    enableUser: (username, signal) =>
      atProvider(signal, async (abortSignal) => {
        await client.send(new AdminEnableUserCommand(of(username)), { abortSignal });
      }),
    replacePassword: (username, signal) =>
      atProvider(signal, async (abortSignal) => {
        const Password = unknownPassword();
        await client.send(
          new AdminSetUserPasswordCommand({ ...of(username), Password, Permanent: false }),
          { abortSignal },
        );
      }),
    endSessions: (username, signal) =>
      atProvider(signal, async (abortSignal) => {
        await client.send(new AdminUserGlobalSignOutCommand(of(username)), { abortSignal });
      }),
    removeSecondFactors: (username, { factors, phoneNumber }, signal) =>
      atProvider(signal, async (abortSignal) => {
        if (factors.length > 0) {
          // Only those that are set: a pool refuses to change a factor that it does not offer.
          const off = (name: string) =>
            factors.includes(name) ? { Enabled: false, PreferredMfa: false } : undefined;
          await client.send(
            new AdminSetUserMFAPreferenceCommand({
              ...of(username),
              SMSMfaSettings: off('SMS_MFA'),
              SoftwareTokenMfaSettings: off('SOFTWARE_TOKEN_MFA'),
              EmailMfaSettings: off('EMAIL_OTP'),
            }),
            { abortSignal },
          );
        }
        if (phoneNumber) {
          const UserAttributeNames = ['phone_number'];
          await client.send(
            new AdminDeleteUserAttributesCommand({ ...of(username), UserAttributeNames }),
            { abortSignal },
          );
        }
      }),
    forgetDevices: (username, signal) =>
      atProvider(signal, async (abortSignal) => {
        try {
          for (;;) {
            const { Devices = [] } = await client.send(
              new AdminListDevicesCommand({ ...of(username), Limit: DEVICES_AT_ONCE }),
              { abortSignal },
            );
            for (const { DeviceKey } of Devices) {
              await client.send(new AdminForgetDeviceCommand({ ...of(username), DeviceKey }), {
                abortSignal,
              });
            }
            if (Devices.length < DEVICES_AT_ONCE) return;
          }
        } catch (error) {
          if (!NO_DEVICES.has(toProviderError(error).name)) throw error;
        }
      }),
    verifyEmail: (username, signal) =>
      atProvider(signal, async (abortSignal) => {
        const UserAttributes = [{ Name: 'email_verified', Value: 'true' }];
        await client.send(
          new AdminUpdateUserAttributesCommand({ ...of(username), UserAttributes }),
          { abortSignal },
        );
      }),
  };
}

/** Longer than any policy of a pool may ask for, and with every kind of character. */
function unknownPassword(): string {
  return `${randomBytes(96).toString('base64url')}aA1!`;
}
