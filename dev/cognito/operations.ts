import { createUser, type Invite } from './create-user.ts';
import type { Body, Engine, Pool, User } from './engine.ts';
import { pageOf, readableFilter } from './paging.ts';
import { checkPassword } from './password-policy.ts';
import { invalidParameter, notAuthorized, ServiceError, userNotFound } from './service-error.ts';
import { claimsOf, type Signer, signAnswer } from './tokens.ts';
import { checkedAttributes, findUser, normalUsername } from './users.ts';

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
}

/** One API operation, with what cognito-local lacks. Throws `ServiceError`. */
export async function perform(request: Request, around: Surroundings): Promise<Body> {
  const { engine, signer } = around;
  const { operation, pool } = request;
  if (pool === undefined)
    return pageOf(operation, request.body, await engine.invoke(operation, request.body));
  if (operation === 'AdminCreateUser') {
    return createUser(engine, pool, request.body, around.invite(pool));
  }
  const body = await prepared(request, pool, around);
  if (operation === 'AdminUserGlobalSignOut') {
    return signOutEverywhere(engine, pool, body['Username']);
  }
  if (operation === 'CreateGroup') await refuseSecondGroup(engine, pool, body['GroupName']);
  if (operation === 'InitiateAuth' || operation === 'AdminInitiateAuth') {
    return signAnswer(await initiate(engine, pool, body), signer);
  }
  const answer = await engine.invoke(operation, body);
  return signAnswer(pageOf(operation, body, answer), signer);
}

// Everything about a request that holds for every operation: whom it means, what it may set.
async function prepared(request: Request, pool: Pool, around: Surroundings): Promise<Body> {
  const { engine, signer } = around;
  const { operation } = request;
  const body = { ...request.body };
  if (body['AccessToken'] !== undefined) signer.open(body['AccessToken']);
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
    if (operation === 'UpdateUserAttributes') await refuseUnwritable(engine, body);
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

/** Without a list of its own a client may write the standard attributes, and no custom one. */
async function refuseUnwritable(engine: Engine, body: Body): Promise<void> {
  const client = await engine.client(String(claimsOf(String(body['AccessToken']))['client_id']));
  const writable = client?.WriteAttributes;
  for (const { Name } of body['UserAttributes'] as { Name: string }[]) {
    const allowed = writable ? writable.includes(Name) : !Name.startsWith('custom:');
    if (!allowed) throw notAuthorized('A client attempted to write unauthorized attribute');
  }
}

async function signOutEverywhere(engine: Engine, pool: Pool, username: unknown): Promise<Body> {
  const user = await findUser(engine, pool, username);
  if (user) await pool.saveUser(engine.ctx, { ...user, RefreshTokens: [] });
  return {};
}

/** Sign-in: cognito-local answers before it has looked at the password, and to disabled users. */
async function initiate(engine: Engine, pool: Pool, body: Body): Promise<Body> {
  const flow = String(body['AuthFlow']);
  const parameters = (body['AuthParameters'] ?? {}) as Body;
  if (flow.startsWith('REFRESH_TOKEN')) {
    const expires = Number(claimsOf(String(parameters['REFRESH_TOKEN']))['exp']);
    if (expires * 1000 <= Date.now()) throw notAuthorized('Refresh Token has expired');
    return engine.invoke('InitiateAuth', body);
  }
  if (flow !== 'USER_PASSWORD_AUTH' && flow !== 'ADMIN_USER_PASSWORD_AUTH') {
    throw invalidParameter(`the sandbox does not speak AuthFlow ${flow}`);
  }
  const user = await findUser(engine, pool, parameters['USERNAME']);
  if (user === undefined || user.Password !== parameters['PASSWORD']) {
    throw notAuthorized('Incorrect username or password.');
  }
  if (!user.Enabled) throw notAuthorized('User is disabled.');
  return engine.invoke('InitiateAuth', {
    ...body,
    AuthFlow: 'USER_PASSWORD_AUTH',
    AuthParameters: { ...parameters, USERNAME: user.Username },
  });
}
