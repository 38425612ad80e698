import { z } from '@hono/zod-openapi';
import type { Registration } from '../../domain/registration.ts';
import type { RegistrationStatus } from '../../domain/status.ts';
import { Problem } from '../problems/problem-details.ts';
import { problems } from '../problems/answers.ts';
import type { AppDeps } from '../app-deps.ts';
import { readJson } from '../request/body.ts';
import { acceptAndWait, doorAnswer, doorHeaders, doorProblems, doorWanted } from './door.ts';
import { email, roles } from '../request/fields.ts';
import { BEARER, mountLenient, type Api } from '../openapi/mount.ts';
import { problemOf } from '../registrations/outcome.ts';
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
        ...problems({ body: true }, ...doorProblems),
      },
    },
    async (c) => {
      const body = parse(newUser, await readJson(c));
      const wanted = doorWanted('step', body.email, [...new Set(body.roles)], body.roles);
      const row = await acceptAndWait(deps, c, wanted);
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
