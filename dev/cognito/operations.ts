import { refuseSelfSignUp, refuseUnproved, refuseUnwritable } from './client-rights.ts';
import { createUser, type Invite } from './create-user.ts';
import type { Body, Engine, Pool, User } from './engine.ts';
import { pageOf, readableFilter } from './paging.ts';
import { checkPassword } from './password-policy.ts';
import { invalidParameter, ServiceError, userNotFound } from './service-error.ts';
import { initiate, refresh, refuseRevoked, revoke, signOutEverywhere } from './sessions.ts';
import {
  checkClientSettings,
  keepClientSettings,
  keepPoolSettings,
  refuseProtected,
  withClientSettings,
  withPoolSettings,
} from './settings.ts';
import { claimsOf, type Signer, signAnswer } from './tokens.ts';
import { checkedAttributes, findUser, normalUsername } from './users.ts';
import { withGivenClientId } from './given-client.ts';

export interface Request {
  readonly operation: string;
  readonly body: Body;
  /** Undefined for the few operations that name no pool. */
  readonly pool: Pool | undefined;
}

export interface Surroundings {
  readonly engine: Engine;
  readonly signer: Signer;
  readonly invite: (pool: Pool) => Invite;
  /** A user that AdminCreateUser does not see, though it has the address. */
  readonly overlooks: (user: User) => boolean;
}

/** One API operation, with what cognito-local lacks. Throws `ServiceError`. */
export async function perform(request: Request, around: Surroundings): Promise<Body> {
  const { engine, signer } = around;
  const { operation, pool } = request;
  if (pool === undefined) {
    const answer = await engine.invoke(operation, request.body);
    if (operation === 'CreateUserPool') {
      const { Id } = answer['UserPool'] as { Id: string };
      await keepPoolSettings(engine, await engine.pool(Id), request.body);
    }
    return pageOf(operation, request.body, answer);
  }
  if (operation === 'AdminCreateUser') {
    return createUser(engine, pool, request.body, around.invite(pool), around.overlooks);
  }
  const body = await prepared(request, pool, around);
  switch (operation) {
    case 'AdminUserGlobalSignOut':
      return signOutEverywhere(engine, pool, body['Username']);
    case 'GlobalSignOut':
      return signOutEverywhere(engine, pool, claimsOf(String(body['AccessToken']))['username']);
    case 'RevokeToken':
      return revoke(engine, pool, body);
    case 'InitiateAuth':
    case 'AdminInitiateAuth':
      return signAnswer(await initiate(engine, pool, body), signer, refreshTokenOf(body));
    case 'GetTokensFromRefreshToken':
      return signAnswer(await refresh(engine, pool, signer, body), signer, refreshTokenOf(body));
    case 'AdminDisableUser':
      await signOutEverywhere(engine, pool, body['Username']);
      break;
    case 'CreateGroup':
      await refuseSecondGroup(engine, pool, body['GroupName']);
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
  const answer = await engine.invoke(operation, body);
  switch (operation) {
    case 'CreateUserPoolClient':
      return keepClientSettings(engine, pool, body, await withGivenClientId(engine, pool, answer));
    case 'UpdateUserPoolClient':
      return keepClientSettings(engine, pool, body, answer);
    case 'DescribeUserPoolClient':
      return withClientSettings(engine, answer);
    case 'UpdateUserPool':
      await keepPoolSettings(engine, pool, body);
      return answer;
    case 'DescribeUserPool':
      return withPoolSettings(pool, answer);
  }
  return signAnswer(pageOf(operation, body, answer), signer);
}

// Everything about a request that holds for every operation: whom it means, what it may set.
async function prepared(request: Request, pool: Pool, around: Surroundings): Promise<Body> {
  const { engine, signer } = around;
  const { operation } = request;
  const body = { ...request.body };
  await refuseUnproved(engine, operation, body);
  if (body['AccessToken'] !== undefined) {
    await refuseRevoked(engine, pool, signer.open(body['AccessToken']));
  }
  if (typeof body['Filter'] === 'string' && body['Filter'] !== '') {
    body['Filter'] = readableFilter(body['Filter']);
  }
  for (const name of ['Password', 'ProposedPassword']) {
    if (typeof body[name] === 'string') checkPassword(policyOf(pool), body[name]);
  }
  const responses = body['ChallengeResponses'] as Body | undefined;
  if (typeof responses?.['NEW_PASSWORD'] === 'string') {
    checkPassword(policyOf(pool), responses['NEW_PASSWORD']);
  }
  if (body['Username'] !== undefined) {
    const user = await findUser(engine, pool, body['Username']);
    if (user === undefined && /^Admin(?!.*Group$)/.test(operation)) throw userNotFound();
    body['Username'] = user?.Username ?? normalUsername(pool, body['Username']);
    if (user) await refuseTakenEmail(engine, pool, user, body);
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
    await refuseUnwritable(engine, pool, body['AccessToken'], names);
  }
  return body;
}

const policyOf = (pool: Pool) => pool.options.Policies?.PasswordPolicy ?? {};

async function refuseTakenEmail(engine: Engine, pool: Pool, user: User, body: Body): Promise<void> {
  const email = checkedAttributes(pool, body).find(({ Name }) => Name === 'email')?.Value;
  const holder = email === undefined ? undefined : await findUser(engine, pool, email);
  if (holder !== undefined && holder.Username !== user.Username) {
    throw new ServiceError(
      'AliasExistsException',
      'An account with the given email already exists.',
    );
  }
}

async function refuseSecondGroup(engine: Engine, pool: Pool, name: unknown): Promise<void> {
  if (typeof name !== 'string' || !/^\S{1,128}$/u.test(name)) {
    throw invalidParameter("1 validation error detected: Value at 'groupName' is not valid");
  }
  if (await pool.getGroupByGroupName(engine.ctx, name)) {
    throw new ServiceError('GroupExistsException', 'A group with the name already exists.');
  }
}

const refreshTokenOf = (body: Body): unknown =>
  body['RefreshToken'] ?? (body['AuthParameters'] as Body | undefined)?.['REFRESH_TOKEN'];
