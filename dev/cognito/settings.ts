import type { AppClient, Body, Pool } from './model.ts';
import { invalidParameter } from './service-error.ts';

/** CreateUserPoolClient and UpdateUserPoolClient: refuses what the service refuses. */
export function checkClientSettings(body: Body): void {
  if (body['GenerateSecret'] === true && body['ClientSecret'] !== undefined) {
    throw invalidParameter('GenerateSecret and ClientSecret cannot both be given.');
  }
  const rotation = body['RefreshTokenRotation'] as AppClient['RefreshTokenRotation'];
  const { Feature, RetryGracePeriodSeconds = 0 } = rotation ?? {};
  if (!(RetryGracePeriodSeconds >= 0 && RetryGracePeriodSeconds <= 60)) {
    throw invalidParameter(
      "1 validation error detected: Value at 'refreshTokenRotation.retryGracePeriodSeconds' failed to satisfy constraint: Member must have value between 0 and 60",
    );
  }
  const flows = (body['ExplicitAuthFlows'] ?? []) as string[];
  if (Feature === 'ENABLED' && flows.includes('ALLOW_REFRESH_TOKEN_AUTH')) {
    throw invalidParameter(
      'ALLOW_REFRESH_TOKEN_AUTH cannot be enabled together with refresh token rotation',
    );
  }
}

export function refuseProtected({ options }: Pool): void {
  if (options.DeletionProtection !== 'ACTIVE') return;
  throw invalidParameter(
    'The user pool cannot be deleted because deletion protection is activated. Deletion protection must be inactivated first.',
  );
}
