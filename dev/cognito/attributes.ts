import { CODE_VALID_MS, expiringCode, mailCode } from './codes.ts';
import type { Attribute, Body, Engine, Pool, User } from './model.ts';
import { invalidParameter, ServiceError } from './service-error.ts';
import { findUser, merged, saveChanged } from './users.ts';

const CONTACTS = ['email', 'phone_number'] as const;

/** The attributes that a request sets, where the schema lets them change and nobody else has the address. */
export async function permittedChanges(pool: Pool, user: User, body: Body): Promise<Attribute[]> {
  const changes = (body['UserAttributes'] ?? []) as Attribute[];
  await refuseTakenEmail(pool, user, changes);
  const after = merged(user.Attributes, changes);
  for (const { Name } of changes) {
    const schema = pool.options.SchemaAttributes?.find((attribute) => attribute.Name === Name);
    if (schema?.Mutable === false) {
      throw invalidParameter(`user.${Name}: Attribute cannot be updated.`);
    }
    const contact = CONTACTS.find((one) => Name === `${one}_verified`);
    if (contact && !after.some((attribute) => attribute.Name === contact)) {
      throw invalidParameter(`${contact} is required to verify or un-verify it`);
    }
  }
  return changes;
}

/** Where an address is a username, two users cannot have the same. */
export async function refuseTakenEmail(
  pool: Pool,
  user: User,
  changes: readonly Attribute[],
): Promise<void> {
  const email = changes.find(({ Name }) => Name === 'email')?.Value;
  if (!email || !pool.options.UsernameAttributes?.includes('email')) return;
  const holder = await findUser(pool, email);
  if (holder !== undefined && holder.Username !== user.Username) {
    throw new ServiceError(
      'AliasExistsException',
      'An account with the given email already exists.',
    );
  }
}

/**
 * Sets attributes. A new address is unverified unless the request says otherwise, and gets a code where
 * the pool verifies addresses.
 * @param pending new values that count once they are verified
 */
export async function changeAttributes(
  engine: Engine,
  pool: Pool,
  user: User,
  changes: readonly Attribute[],
  pending: readonly Attribute[],
): Promise<Body> {
  const sets = (name: string, among: readonly Attribute[]): boolean =>
    among.some(({ Name }) => Name === name);
  const unverified = CONTACTS.filter(
    (contact) => sets(contact, changes) && !sets(`${contact}_verified`, changes),
  ).map((contact) => ({ Name: `${contact}_verified`, Value: 'false' }));
  const changed = await saveChanged(pool, user, {
    Attributes: merged(user.Attributes, [...changes, ...unverified]),
    ...(pending.length > 0 && { UnverifiedAttributeChanges: [...pending] }),
  });
  const asks = sets('email_verified', unverified) || sets('email', pending);
  if (!asks || !pool.options.AutoVerifiedAttributes?.includes('email')) {
    return { CodeDeliveryDetailsList: [] };
  }
  return {
    CodeDeliveryDetailsList: [await sendVerification(engine, pool, changed, 'UpdateUserAttribute')],
  };
}

/** Sends the code that verifies the address, to the new one where a change of it is pending. */
export async function sendVerification(
  engine: Engine,
  pool: Pool,
  user: User,
  source: string,
): Promise<Body> {
  const sent = expiringCode(pool, CODE_VALID_MS.verification);
  await saveChanged(pool, user, { AttributeVerificationCode: sent });
  const Attributes = merged(user.Attributes, user.UnverifiedAttributeChanges ?? []);
  return mailCode(engine, pool, { ...user, Attributes }, source, sent.Code);
}
