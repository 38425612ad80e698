import type { Attempts, CountedOperation, Pool } from './model.ts';
import { ServiceError } from './service-error.ts';

const HOUR_MS = 3_600_000;

/** How often the service takes an operation from one user in an hour. Where AWS says "5 to 20,
 * depending on the risk", it is the 5. */
const PER_HOUR: Readonly<Record<CountedOperation, number>> = {
  ForgotPassword: 5,
  ConfirmForgotPassword: 5,
  GetUserAttributeVerificationCode: 5,
  VerifyUserAttribute: 15,
  ChangePassword: 5,
};

export function createAttempts(): Attempts {
  const made = new WeakMap<Pool, Map<string, number[]>>();
  return {
    count(pool, { Username }, operation) {
      const ofPool = made.get(pool) ?? new Map<string, number[]>();
      made.set(pool, ofPool);
      const key = `${operation} ${Username}`;
      const now = pool.now();
      const recent = (ofPool.get(key) ?? []).filter((at) => at > now - HOUR_MS);
      if (recent.length >= PER_HOUR[operation]) {
        throw new ServiceError(
          'LimitExceededException',
          'Attempt limit exceeded, please try after some time.',
        );
      }
      ofPool.set(key, [...recent, now]);
    },
  };
}
