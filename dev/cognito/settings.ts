import type { AppClient, Body, Pool } from './model.ts';
import { invalidParameter } from './service-error.ts';

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

export function refuseProtected({ options }: Pool): void {
  if (options.DeletionProtection !== 'ACTIVE') return;
  throw invalidParameter(
    'The user pool cannot be deleted because deletion protection is activated. Deletion protection must be inactivated first.',
  );
}
