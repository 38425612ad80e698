import { z } from '@hono/zod-openapi';
import type { Context, Handler } from 'hono';
import type { ChangeKind } from '../../domain/change.ts';
import type { FailureCode } from '../../domain/failure.ts';
import type { AppDeps, AppEnv } from '../app-deps.ts';
import { answerWithChange, changeAnswers } from '../changes/change-answer.ts';
import { CHANGE_DETAILS } from '../changes/outcome.ts';
import { BEARER, mount, type Api } from '../openapi/mount.ts';
import { problems } from '../problems/answers.ts';
import { Problem } from '../problems/problem-details.ts';
import {
  newRoles,
  readReason,
  withReason,
  WRONG_REASON,
  WRONG_ROLES,
} from '../receipts/instructions.ts';
import { readJson } from '../request/body.ts';
import { idempotencyKey, idempotencyKeyOf } from '../request/idempotency-key.ts';
import { preferWait } from '../request/prefer.ts';
import { parse } from '../request/validate.ts';
import {
  acceptForUser,
  changeKeyOf,
  refuseByGrants,
  refuseOnOneself,
  refuseRoles,
  replayedChange,
  rolesWithinGrants,
  type AcceptedChange,
  type ChangeRequest,
} from './accept-change.ts';
import { findUser } from './user-queries.ts';

const params = z.object({ userId: z.string().openapi({ format: 'uuid' }) });
const headers = z.object({ 'Idempotency-Key': idempotencyKey, Prefer: preferWait });

const CODES: readonly FailureCode[] = [
  'forbidden',
  'user_not_found',
  'not_ours',
  'idempotency_key_reused',
  'registration_failed',
  'registration_cancelled',
  'user_vanished',
];
const ABOUT =
  'The change is durable and audited. Changes of one user run one at a time, in the order of their acceptance.';
const OVERTAKES =
  'Changes of roles that were accepted earlier and are not finished end `cancelled`.';

/** What may be done to people whom Registrar registered. */
export function mountUserChanges(api: Api, deps: AppDeps): void {
  const path = '/users/{userId}';
  const common = { tags: ['Users'], security: BEARER };
  const optionalReason = {
    params,
    headers,
    body: { required: false, content: { 'application/json': { schema: withReason } } },
  };

  mount(
    api,
    deps,
    {
      ...common,
      method: 'put',
      path: `${path}/roles`,
      operationId: 'replaceUserRoles',
      summary: 'Replace the roles of a user',
      description: `${ABOUT} Roles are added before others are removed. If the change fails or is cancelled, the user has the earlier roles again.`,
      request: {
        params,
        headers,
        body: { required: true, content: { 'application/json': { schema: newRoles } } },
      },
      responses: {
        ...changeAnswers,
        ...problems(
          { body: true, wrong: WRONG_ROLES, details: CHANGE_DETAILS },
          ...CODES,
          'role_not_grantable',
          'unknown_role',
          'email_unverified',
          'last_administrator',
        ),
      },
    },
    async (c) => {
      const { roles, reason = null } = parse(newRoles, await readJson(c));
      return await perform(deps, c, 'PUT /users/{userId}/roles', {
        kind: 'roles',
        rolesSent: roles,
        reason,
      });
    },
  );

  const command = (
    name: string,
    kind: ChangeKind,
    operationId: string,
    summary: string,
    description: string,
    codes: readonly FailureCode[] = [],
  ): void => {
    const method = kind === 'delete' ? 'delete' : 'post';
    const route = `${path}${name}`;
    const operation = `${method.toUpperCase()} ${route}`;
    const handler: Handler<AppEnv> = async (c) =>
      await perform(deps, c, operation, { kind, reason: await readReason(c) });
    const described = {
      ...common,
      method,
      path: route,
      operationId,
      summary,
      description: `${description} ${ABOUT}`,
      request: optionalReason,
      responses: {
        ...changeAnswers,
        ...problems(
          { body: true, wrong: WRONG_REASON, details: CHANGE_DETAILS },
          ...CODES,
          ...codes,
        ),
      },
    } as const;
    mount(api, deps, described, handler);
  };
  command(
    '/disable',
    'disable',
    'disableUser',
    'Disable a user',
    `Also ends every session. ${OVERTAKES}`,
    ['last_administrator'],
  );
  command('/enable', 'enable', 'enableUser', 'Enable a user', 'The user can sign in again.');
  command(
    '/sign-out',
    'sign_out',
    'signOutUser',
    'End every session of a user',
    `The tokens of the user are refused within 5 s. ${OVERTAKES}`,
  );
  command(
    '',
    'delete',
    'deleteUser',
    'Delete a user',
    `Disables the user, ends every session, deletes the account and erases personal data from the ledger; ids and the audit trail stay. ${OVERTAKES}`,
    ['last_administrator'],
  );
}

async function perform(
  deps: AppDeps,
  c: Context<AppEnv>,
  operation: string,
  wanted: ChangeRequest,
): Promise<Response> {
  return await answerWithChange(deps, c, await accept(deps, c, operation, wanted));
}

/** The order of checks is part of the contract: grants, key, user, roles, conflicts. */
async function accept(
  deps: AppDeps,
  c: Context<AppEnv>,
  operation: string,
  wanted: ChangeRequest,
): Promise<AcceptedChange> {
  const { caller } = c.var;
  const userId = (c.req.param('userId') ?? '').toLowerCase();
  const sentKey = idempotencyKeyOf(c);
  refuseByGrants(caller, wanted);
  refuseOnOneself(caller, userId);
  const key = changeKeyOf(caller, operation, sentKey, { userId }, wanted);
  const replayed = await replayedChange(deps, c, key);
  if (replayed) return replayed;
  const user = await findUser(deps, caller, userId);
  c.set('registrationId', user.row.id);
  const roles = await rolesWithinGrants(deps, caller, user);
  if (!roles) throw new Problem('user_not_found');
  await refuseRoles(deps, user, wanted);
  return await acceptForUser(deps, c, { user, roles }, wanted, key);
}
