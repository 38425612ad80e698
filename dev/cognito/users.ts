import type { Attribute, Body, Engine, Pool, User } from './engine.ts';
import { invalidParameter } from './service-error.ts';

export const emailOf = (user: User): string =>
  user.Attributes.find(({ Name }) => Name === 'email')?.Value ?? '';

/** The API's default is case-sensitive: only a pool that says otherwise ignores case. */
const ignoresCase = (pool: Pool): boolean =>
  pool.options.UsernameConfiguration?.CaseSensitive === false;

export function normalUsername(pool: Pool, username: unknown): string {
  const text = typeof username === 'string' ? username : '';
  if (text === '' || text.length > 128 || !/^[\p{L}\p{M}\p{S}\p{N}\p{P}]+$/u.test(text)) {
    throw invalidParameter(
      "1 validation error detected: Value at 'username' failed to satisfy constraint",
    );
  }
  return ignoresCase(pool) ? text.toLowerCase() : text;
}

export async function findUser(
  engine: Engine,
  pool: Pool,
  username: unknown,
): Promise<User | undefined> {
  const found = await pool.getUserByUsername(engine.ctx, normalUsername(pool, username));
  return found ?? undefined;
}

/** The attributes of a request, checked against the pool's schema and normalised. */
export function checkedAttributes(pool: Pool, body: Body): Attribute[] {
  const wanted = (body['UserAttributes'] ?? []) as Attribute[];
  const schema = pool.options.SchemaAttributes ?? [];
  return wanted.map(({ Name, Value }) => {
    const attribute = schema.find((candidate) => candidate.Name === Name);
    if (attribute === undefined) {
      throw invalidParameter(
        `Attributes did not conform to the schema: ${Name}: Attribute does not exist in the schema.`,
      );
    }
    if (Name === 'sub') throw invalidParameter('sub: Attribute cannot be set.');
    const longest = Number(attribute.StringAttributeConstraints?.MaxLength ?? 2048);
    if ((Value ?? '').length > longest) {
      throw invalidParameter(
        `Attributes did not conform to the schema: ${Name}: String must be no longer than ${longest} characters`,
      );
    }
    const value = Name === 'email' && ignoresCase(pool) ? Value?.toLowerCase() : Value;
    return value === undefined ? { Name } : { Name, Value: value };
  });
}

export function userAnswer(user: User): Body {
  const { Username, Attributes, Enabled, UserStatus, UserCreateDate, UserLastModifiedDate } = user;
  return {
    User: { Username, Attributes, Enabled, UserStatus, UserCreateDate, UserLastModifiedDate },
  };
}
