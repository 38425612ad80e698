import { z } from '@hono/zod-openapi';
import { grantsNothing, type Caller } from '../../domain/grants.ts';
import { emailHash } from '../../secrets/email-hash.ts';
import { findLiving, hasEmail, hasUsername } from '../../ledger/registrations/living.ts';
import type { AppDeps } from '../app-deps.ts';
import { BEARER, mount, type Api } from '../openapi/mount.ts';
import { json, problems } from '../problems/answers.ts';
import { Problem } from '../problems/problem-details.ts';
import { WRONG_PARAMETER } from '../problems/problem-examples.ts';
import { email, text } from '../request/fields.ts';
import { parseQuery } from '../request/validate.ts';
import { UserList, UserSchema } from './schemas.ts';
import { findUser, readVisible } from './user-queries.ts';

const ONE_OF_TWO = 'Exactly one of `email` and `username` is required.';
const searchQuery = z
  .object({
    email: email.optional(),
    username: text(1, 50).optional().openapi({ description: 'Compared without case.' }),
  })
  .refine((query) => (query.email === undefined) !== (query.username === undefined), {
    path: ['email'],
    error: ONE_OF_TWO,
    params: { code: 'required' },
  });
const WRONG_SEARCH = { pointer: '#/query/email', code: 'required', detail: ONE_OF_TWO };
const TAG = { tags: ['Users'], security: BEARER };
const ABOUT =
  'Reads e-mail, names, roles and status from Cognito, the rest from the ledger. A caller sees a person whose roles all lie within its grants; one without roles is visible to whoever requested the registration, and with the grant `*`.';

/** Reading people whom Registrar registered. */
export function mountUsers(api: Api, deps: AppDeps): void {
  mount(
    api,
    deps,
    {
      ...TAG,
      method: 'get',
      path: '/users/{userId}',
      operationId: 'getUser',
      summary: 'Read a user',
      description: ABOUT,
      request: { params: z.object({ userId: z.string().openapi({ format: 'uuid' }) }) },
      responses: {
        200: json(UserSchema, 'The user.'),
        ...problems(
          { wrong: WRONG_PARAMETER },
          'invalid_request',
          'forbidden',
          'user_not_found',
          'not_ours',
        ),
      },
    },
    async (c) => {
      refuseWithoutGrants(c.var.caller);
      const { user, row } = await findUser(deps, c.var.caller, c.req.param('userId') ?? '');
      c.set('registrationId', row.id);
      return c.json(user, 200);
    },
  );

  mount(
    api,
    deps,
    {
      ...TAG,
      method: 'get',
      path: '/users',
      operationId: 'findUsers',
      summary: 'Find a user by e-mail or username',
      description: `${ABOUT} The e-mail or username must match the registration exactly; there is no list of users.`,
      request: { query: searchQuery },
      responses: {
        200: json(UserList, 'The user, or nobody.'),
        ...problems({ wrong: WRONG_SEARCH }, 'invalid_request', 'forbidden'),
      },
    },
    async (c) => {
      const query = parseQuery(c, searchQuery);
      const { caller } = c.var;
      refuseWithoutGrants(caller);
      if (query.email !== undefined) c.set('emailHash', emailHash(query.email));
      const row = await findLiving(
        deps.db,
        query.email === undefined ? hasUsername(query.username ?? '') : hasEmail(query.email),
      );
      const found = row && (await readVisible(deps, caller, row));
      if (found) c.set('registrationId', found.row.id);
      return c.json({ items: found ? [found.user] : [] }, 200);
    },
  );
}

function refuseWithoutGrants({ grants }: Caller): void {
  if (grantsNothing(grants)) throw new Problem('forbidden');
}
