import { refuseSelfSignUp, refuseUnproved, refuseUnwritable } from './client-rights.ts';
import { createUser, type Invite } from './create-user.ts';
import type { Body, Engine, Pool, User } from './model.ts';
import { pageOf } from './paging.ts';
import { checkPassword } from './password-policy.ts';
import { invalidParameter, ServiceError, userNotFound } from './service-error.ts';
import { initiate, refresh, refuseRevoked, revoke, signOutEverywhere } from './sessions.ts';
import { checkClientSettings, refuseProtected } from './settings.ts';
import { respond } from './sign-in.ts';
import { claimsOf } from './tokens.ts';
import { checkedAttributes, findUser, normalUsername } from './users.ts';

export interface Request {
  readonly operation: string;
  readonly body: Body;
  /** Undefined for the few operations that name no pool. */
  readonly pool: Pool | undefined;
}

export interface Surroundings {
  readonly engine: Engine;
  readonly invite: (pool: Pool) => Invite;
  /** A user that AdminCreateUser does not see, though it has the address. */
  readonly overlooks: (user: User) => boolean;
}

/** One API operation, after what holds for every request was checked. Throws `ServiceError`. */
export async function perform(request: Request, around: Surroundings): Promise<Body> {
  const { engine } = around;
  const { operation, pool } = request;
  if (pool === undefined) return await engine.invoke(operation, request.body, pool);
  if (operation === 'AdminCreateUser') {
    return createUser(pool, request.body, around.invite(pool), around.overlooks);
  }
  const body = await prepared(request, pool, engine);
  switch (operation) {
    case 'AdminUserGlobalSignOut':
      return signOutEverywhere(pool, body['Username']);
    case 'GlobalSignOut':
      return signOutEverywhere(pool, claimsOf(String(body['AccessToken']))['username']);
    case 'RevokeToken':
      return revoke(engine, pool, body);
    case 'InitiateAuth':
    case 'AdminInitiateAuth':
      return initiate(engine, pool, body);
    case 'RespondToAuthChallenge':
    case 'AdminRespondToAuthChallenge':
      return respond(engine, pool, body);
    case 'GetTokensFromRefreshToken':
      return refresh(engine, pool, body);
    case 'AdminDisableUser':
      await signOutEverywhere(pool, body['Username']);
      break;
    case 'CreateGroup':
      await refuseSecondGroup(pool, body['GroupName']);
      break;
    case 'SignUp':
      refuseSelfSignUp(pool);
      break;
    case 'DeleteUserPool':
      refuseProtected(pool);
      break;
    case 'CreateUserPoolClient':
    case 'UpdateUserPoolClient':
      checkClientSettings(body);
      break;
  }
  return pageOf(operation, body, await engine.invoke(operation, body, pool));
}

// Everything about a request that holds for every operation: whom it means, what it may set.
async function prepared(request: Request, pool: Pool, engine: Engine): Promise<Body> {
  const { operation } = request;
  const body = { ...request.body };
  await refuseUnproved(engine, operation, body);
  if (body['AccessToken'] !== undefined) {
    await refuseRevoked(pool, engine.signer.open(body['AccessToken'], pool.now()));
  }
  for (const name of ['Password', 'ProposedPassword']) {
    if (typeof body[name] === 'string') checkPassword(policyOf(pool), body[name]);
  }
  const responses = body['ChallengeResponses'] as Body | undefined;
  if (typeof responses?.['NEW_PASSWORD'] === 'string') {
    checkPassword(policyOf(pool), responses['NEW_PASSWORD']);
  }
  if (body['Username'] !== undefined) {
    const user = await findUser(pool, body['Username']);
    if (user === undefined && /^Admin(?!.*Group$)/.test(operation)) throw userNotFound();
    body['Username'] = user?.Username ?? normalUsername(pool, body['Username']);
  }
  if (body['UserAttributes'] !== undefined) {
    body['UserAttributes'] = checkedAttributes(pool, body);
  }
  if (operation === 'UpdateUserAttributes' || operation === 'DeleteUserAttributes') {
    const written = (body['UserAttributes'] ?? []) as { Name: string }[];
    const names = [
      ...written.map(({ Name }) => Name),
      ...((body['UserAttributeNames'] ?? []) as string[]),
    ];
    const clientId = claimsOf(String(body['AccessToken']))['client_id'];
    refuseUnwritable(pool, await engine.client(String(clientId)), names);
  }
  return body;
}

const policyOf = (pool: Pool) => pool.options.Policies?.PasswordPolicy ?? {};

async function refuseSecondGroup(pool: Pool, name: unknown): Promise<void> {
  if (typeof name !== 'string' || !/^\S{1,128}$/u.test(name)) {
    throw invalidParameter("1 validation error detected: Value at 'groupName' is not valid");
  }
  if (await pool.getGroupByGroupName(name)) {
    throw new ServiceError('GroupExistsException', 'A group with the name already exists.');
  }
}
