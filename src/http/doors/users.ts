import { z } from '@hono/zod-openapi';
import { problems } from '../problems/answers.ts';
import type { AppDeps } from '../app-deps.ts';
import { readJson } from '../request/body.ts';
import { acceptAndWait, doorAnswer, doorHeaders, doorWanted } from './door.ts';
import { email, roles } from '../request/fields.ts';
import { BEARER, mountLenient, type Api } from '../openapi/mount.ts';
import { problemOf, REQUEST_PROBLEMS } from '../registrations/outcome.ts';
import { parse } from '../request/validate.ts';

const newUser = z.object({ email, roles: roles.default([]) }).openapi('DoorUser');
const user = z
  .object({
    user_id: z
      .string()
      .nullable()
      .openapi({ description: 'The sub of the user; null before the user exists.' }),
    email: z.string(),
    roles: z
      .array(z.string())
      .openapi({ description: 'Always empty: a later step assigns the roles.' }),
  })
  .openapi('DoorUserCreated');

/** The `users` door: a user and an audit row; roles are checked and left to a later step. */
export function mountUsersDoor(api: Api, deps: AppDeps): void {
  mountLenient(
    api,
    deps,
    {
      method: 'post',
      path: '/api/users',
      operationId: 'doorCreateUser',
      summary: 'Create a user without roles',
      tags: ['Door: users'],
      security: BEARER,
      request: {
        headers: doorHeaders,
        body: { required: true, content: { 'application/json': { schema: newUser } } },
      },
      responses: {
        201: doorAnswer(user, 'Created.'),
        202: doorAnswer(user, 'Not finished within 10 s. The registration continues.'),
        ...problems({ body: true }, ...REQUEST_PROBLEMS),
      },
    },
    async (c) => {
      const body = parse(newUser, await readJson(c));
      const wanted = doorWanted('users', body.email, [], body.roles);
      const row = await acceptAndWait(deps, c, wanted);
      const problem = problemOf(row);
      if (problem) throw problem;
      c.header('Location', `/registrations/${row.id}`);
      const answer = { user_id: row.userId, email: wanted.email, roles: [] };
      return c.json(answer, row.status === 'completed' ? 201 : 202);
    },
  );
}
