import { sql } from 'drizzle-orm';
import type { IdentityProvider } from '../../src/cognito/adapter.ts';
import type { Database } from '../../src/db/client.ts';

/** What the samples' saga is started with. */
export interface SagaInput {
  readonly id: string;
  readonly email: string;
  readonly roles: readonly string[];
}

export interface SagaActivities {
  createUser(input: SagaInput): Promise<{ username: string; sub: string }>;
  assignRole(username: string, role: string): Promise<void>;
  recordComplete(id: string, username: string, sub: string): Promise<void>;
  deleteUser(username: string): Promise<void>;
}

const CALL_MS = 4000;

/** The activities of the samples' saga: each one call to Cognito or to the ledger. */
export function createSagaActivities(db: Database, provider: IdentityProvider): SagaActivities {
  const signal = () => AbortSignal.timeout(CALL_MS);
  return {
    createUser: ({ id, email }) =>
      provider.createUser(
        {
          email,
          mark: id,
          emailVerified: true,
          username: null,
          firstName: null,
          lastName: null,
          attributes: {},
        },
        signal(),
      ),
    assignRole: (username, role) => provider.addRole(username, role, signal()),
    async recordComplete(id, username, sub) {
      await db.execute(sql`UPDATE registrations
        SET status = 'completed', finished_at = clock_timestamp(), roles_assigned = roles,
          cognito_username = ${username}, user_id = ${sub}, user_created_at = clock_timestamp()
        WHERE id = ${id}`);
    },
    deleteUser: (username) => provider.deleteUser(username, signal()),
  };
}
