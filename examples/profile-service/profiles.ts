import postgres from 'postgres';

/** Who wants a profile. One registration has one profile. */
export interface Person {
  readonly registrationId: string;
  readonly userId: string;
  readonly email: string;
  readonly username: string | null;
  readonly firstName: string | null;
  readonly lastName: string | null;
}

export type Created =
  | { readonly kind: 'created' | 'known'; readonly id: string }
  | { readonly kind: 'taken'; readonly field: 'email' | 'username' }
  /** The person may have no profile, whoever asks. */
  | { readonly kind: 'rejected' }
  /** Its profile was deleted: a request that comes late must not bring it back. */
  | { readonly kind: 'deleted' };

/** The profiles, for both forms. Every method has committed when it returns, and may be repeated. */
export interface Profiles {
  create(person: Person): Promise<Created>;
  /** Deletes the profile, if there is one, and remembers that there may be none. */
  delete(registrationId: string): Promise<void>;
  answers(): Promise<void>;
  close(): Promise<void>;
}

const SCHEMA = `
  SELECT pg_advisory_xact_lock(20261127);
  CREATE TABLE IF NOT EXISTS profiles (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    registration_id uuid NOT NULL CONSTRAINT profiles_registration UNIQUE,
    user_id text NOT NULL,
    email text NOT NULL,
    username text,
    first_name text,
    last_name text,
    created_at timestamptz NOT NULL DEFAULT now()
  );
  CREATE UNIQUE INDEX IF NOT EXISTS profiles_email ON profiles (lower(email));
  CREATE UNIQUE INDEX IF NOT EXISTS profiles_username ON profiles (lower(username));
  CREATE TABLE IF NOT EXISTS deleted_profiles (
    registration_id uuid PRIMARY KEY,
    deleted_at timestamptz NOT NULL DEFAULT now()
  );`;

/** @param rejectedDomains of e-mail addresses that may have no profile */
export async function openProfiles(
  url: string,
  rejectedDomains: readonly string[],
): Promise<Profiles> {
  const sql = postgres(url, { max: 10, onnotice: () => undefined });
  await sql.begin((tx) => tx.unsafe(SCHEMA).simple());
  // Creating and deleting one profile wait for each other, or both could find nothing of the other.
  const lock = (tx: postgres.TransactionSql, registrationId: string) =>
    tx`SELECT pg_advisory_xact_lock(hashtextextended(${registrationId}, 0))`;

  return {
    async create(person) {
      const { registrationId, userId, email, username, firstName, lastName } = person;
      if (rejectedDomains.includes(email.split('@').at(-1)?.toLowerCase() ?? '')) {
        return { kind: 'rejected' };
      }
      try {
        return await sql.begin(async (tx): Promise<Created> => {
          await lock(tx, registrationId);
          const deleted = await tx`SELECT FROM deleted_profiles
            WHERE registration_id = ${registrationId}`;
          if (deleted.length > 0) return { kind: 'deleted' };
          const [known] = await tx<{ id: string }[]>`SELECT id FROM profiles
            WHERE registration_id = ${registrationId}`;
          if (known) return { kind: 'known', id: known.id };
          const [created] = await tx<{ id: string }[]>`INSERT INTO profiles
            (registration_id, user_id, email, username, first_name, last_name)
            VALUES (${registrationId}, ${userId}, ${email}, ${username}, ${firstName}, ${lastName})
            RETURNING id`;
          return { kind: 'created', id: created?.id ?? '' };
        });
      } catch (error) {
        const field = takenField(error);
        if (field) return { kind: 'taken', field };
        throw error;
      }
    },
    async delete(registrationId) {
      await sql.begin(async (tx) => {
        await lock(tx, registrationId);
        await tx`DELETE FROM profiles WHERE registration_id = ${registrationId}`;
        await tx`INSERT INTO deleted_profiles (registration_id) VALUES (${registrationId})
          ON CONFLICT DO NOTHING`;
      });
    },
    async answers() {
      await sql`SELECT 1`;
    },
    close: () => sql.end({ timeout: 5 }),
  };
}

function takenField(error: unknown): 'email' | 'username' | null {
  if (!(error instanceof postgres.PostgresError) || error.code !== '23505') return null;
  if (error.constraint_name === 'profiles_email') return 'email';
  return error.constraint_name === 'profiles_username' ? 'username' : null;
}
