import { z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import type { Change } from '../../domain/change.ts';
import type { Registration } from '../../domain/registration.ts';
import type { RegistrationStatus } from '../../domain/status.ts';
import { Problem } from '../problems/problem-details.ts';
import { problems } from '../problems/answers.ts';
import { replayedChange } from '../users/accept-change.ts';
import type { AppDeps, AppEnv } from '../app-deps.ts';
import { readJson } from '../request/body.ts';
import { acceptAddition, rolesToAdd, waitForAddition } from './add-roles.ts';
import { acceptAndWait, doorAnswer, doorHeaders, doorWanted } from './door.ts';
import { email, roles } from '../request/fields.ts';
import { idempotencyKeyOf } from '../request/idempotency-key.ts';
import { BEARER, mountLenient, type Api } from '../openapi/mount.ts';
import { problemOf, REQUEST_PROBLEMS } from '../registrations/outcome.ts';
import { RegistrationStatusSchema } from '../registrations/schemas.ts';
import { parse } from '../request/validate.ts';

const newUser = z.object({ email, roles }).openapi('StepUser');
const user = z
  .object({
    id: z
      .string()
      .nullable()
      .openapi({ description: 'The sub of the user; null before the user exists.' }),
    email: z.string(),
    roles: z.array(z.string()),
    status: RegistrationStatusSchema,
  })
  .openapi('StepUserCreated');

/** The `step` door: user and roles in one go, or neither. */
export function mountStepDoor(api: Api, deps: AppDeps): void {
  mountLenient(
    api,
    deps,
    {
      method: 'post',
      path: '/api/step/users',
      operationId: 'doorCreateUserWithRoles',
      summary: 'Create a user with roles',
      description:
        'If Registrar has registered the person already, the roles are added to those that the user has, by a change: `Location` names it, and `roles` are all roles of the user. A person who signed up and has not proved the address gets no role.',
      tags: ['Door: step'],
      security: BEARER,
      request: {
        headers: doorHeaders,
        body: { required: true, content: { 'application/json': { schema: newUser } } },
      },
      responses: {
        201: doorAnswer(user, 'Created, with all roles assigned.'),
        202: doorAnswer(
          user,
          'Not finished within 10 s. The registration continues; `status` shows its progress.',
        ),
        ...problems({ body: true }, ...REQUEST_PROBLEMS),
      },
    },
    async (c) => {
      const body = parse(newUser, await readJson(c));
      const addition = rolesToAdd(c, body, idempotencyKeyOf(c));
      const replayed = await replayedChange(deps, c, addition.key);
      if (replayed) return showAddition(c, body.email, await waitForAddition(deps, c, replayed));
      const wanted = doorWanted('step', body.email, [...new Set(body.roles)], body.roles);
      const row = await acceptAndWait(deps, c, wanted).catch(async (error: unknown) => {
        const isTaken = error instanceof Problem && error.code === 'email_taken';
        const added = isTaken ? await acceptAddition(deps, c, addition) : null;
        if (!added) throw error;
        return added;
      });
      if ('change' in row) return showAddition(c, body.email, await waitForAddition(deps, c, row));
      refuseFailed(row);
      c.header('Location', `/registrations/${row.id}`);
      const answer = {
        id: row.userId,
        email: wanted.email,
        roles: [...row.roles],
        status: wordOf(row),
      };
      return c.json(answer, row.status === 'completed' ? 201 : 202);
    },
  );
}

function showAddition(c: Context<AppEnv>, address: string, change: Change): Response {
  const isDone = change.status === 'completed';
  // Before it has begun, the change knows only the roles to add.
  const all = change.rolesBefore === null ? change.personRoles : change.roles;
  const status = isDone ? 'completed' : 'roles_pending';
  const answer = { id: change.userId, email: address, roles: [...all], status };
  return c.json(answer, isDone ? 201 : 202);
}

/** At this door, a definitive failure after the user existed is always a 500. */
function refuseFailed(row: Registration): void {
  const problem = problemOf(row);
  if (!problem) return;
  const existed = row.status === 'failed' && row.userCreatedAt !== null;
  if (existed && problem.failure.httpStatus !== 500) {
    throw new Problem('registration_failed', { registrationId: row.id });
  }
  throw problem;
}

function wordOf(row: Registration): RegistrationStatus {
  const assigned = new Set(row.rolesAssigned);
  const incomplete = row.userId !== null && row.roles.some((role) => !assigned.has(role));
  return row.status === 'running' && incomplete ? 'roles_pending' : row.status;
}
