import { CognitoIdentityProviderClient } from '@aws-sdk/client-cognito-identity-provider';

export const SANDBOX_REGION = 'local';
export const SANDBOX_CREDENTIALS = { accessKeyId: 'sandbox', secretAccessKey: 'sandbox' } as const;

/** A client of the sandbox. Whoever makes it destroys it. */
export function sandboxClient(endpoint: string): CognitoIdentityProviderClient {
  return new CognitoIdentityProviderClient({
    endpoint,
    region: SANDBOX_REGION,
    credentials: SANDBOX_CREDENTIALS,
    maxAttempts: 1,
  });
}
