import type { Attribute, Body, Group, Pool, User } from './model.ts';
import { invalidParameter } from './service-error.ts';

export const attributeOf = (user: User, name: string): string | undefined =>
  user.Attributes.find(({ Name }) => Name === name)?.Value;

export const emailOf = (user: User): string => attributeOf(user, 'email') ?? '';

/** Attributes after changes to them, by name; one that is set to nothing is gone. */
export function merged(old: readonly Attribute[], changes: readonly Attribute[]): Attribute[] {
  const values = new Map([...old, ...changes].map(({ Name, Value = '' }) => [Name, Value]));
  return [...values]
    .filter(([, Value]) => Value !== '')
    .map(([Name, Value]) => ({ Name, Value }))
    .toSorted((a, b) => a.Name.localeCompare(b.Name));
}

export async function saveChanged(pool: Pool, user: User, changes: Partial<User>): Promise<User> {
  const changed = { ...user, ...changes, UserLastModifiedDate: new Date() };
  await pool.saveUser(changed);
  return changed;
}

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

export async function findUser(pool: Pool, username: unknown): Promise<User | undefined> {
  return (await pool.getUserByUsername(normalUsername(pool, username))) ?? undefined;
}

export async function groupsOf(pool: Pool, username: string): Promise<Group[]> {
  return (await pool.listGroups()).filter(({ members }) => members?.includes(username));
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

/** The second factors of a user as an answer shows them. */
export const mfaSettingsOf = ({ UserMFASettingList, PreferredMfaSetting }: User): Body => ({
  UserMFASettingList,
  PreferredMfaSetting,
});

/** A user as an answer shows it. */
export function userAnswer(user: User): Body {
  const { Username, Attributes, Enabled, UserStatus, UserCreateDate, UserLastModifiedDate } = user;
  return { Username, Attributes, Enabled, UserStatus, UserCreateDate, UserLastModifiedDate };
}
