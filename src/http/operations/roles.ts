import { grantsNothing, notGrantable } from '../../domain/grants.ts';
import { Problem } from '../problems/problem-details.ts';
import { json, problems } from '../problems/answers.ts';
import type { AppDeps } from '../app-deps.ts';
import { BEARER, mount, type Api } from '../openapi/mount.ts';
import { WRONG_PARAMETER } from '../problems/problem-examples.ts';
import { RoleList } from '../registrations/schemas.ts';

export function mountRoles(api: Api, deps: AppDeps): void {
  mount(
    api,
    deps,
    {
      method: 'get',
      path: '/roles',
      operationId: 'listRoles',
      summary: 'List the roles that you may assign, by name',
      tags: ['Roles'],
      security: BEARER,
      responses: {
        200: json(RoleList, 'The roles.'),
        ...problems({ wrong: WRONG_PARAMETER }, 'forbidden', 'invalid_request'),
      },
    },
    async (c) => {
      const { grants } = c.var.caller;
      if (grantsNothing(grants)) throw new Problem('forbidden');
      const found = await deps.roles.list();
      const items = found
        .filter(({ name }) => notGrantable(grants, [name]).length === 0)
        .map(({ name, description }) => ({ name, description }))
        .toSorted((a, b) => (a.name < b.name ? -1 : 1));
      return c.json({ items }, 200);
    },
  );
}
