import { json, problems } from './answers.ts';
import type { AppDeps } from './app-deps.ts';
import { BEARER, mount, type Api } from './mount.ts';
import { RoleList } from './schemas.ts';

export function mountRoles(api: Api, deps: AppDeps): void {
  mount(
    api,
    deps,
    {
      method: 'get',
      path: '/roles',
      operationId: 'listRoles',
      summary: 'The roles of the pool, by name',
      tags: ['Roles'],
      security: BEARER,
      responses: { 200: json(RoleList, 'The roles.'), ...problems({}) },
    },
    async (c) => {
      const found = await deps.roles.list();
      const items = found
        .map(({ name, description }) => ({ name, description }))
        .toSorted((a, b) => (a.name < b.name ? -1 : 1));
      return c.json({ items }, 200);
    },
  );
}
