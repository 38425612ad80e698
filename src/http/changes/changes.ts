import { z } from '@hono/zod-openapi';
import { countChanges, listChanges } from '../../ledger/changes/list.ts';
import type { AppDeps } from '../app-deps.ts';
import { BEARER, mount, type Api } from '../openapi/mount.ts';
import { json, problems } from '../problems/answers.ts';
import { WRONG_LIMIT, WRONG_PARAMETER } from '../problems/problem-examples.ts';
import { cursor, fromCursor, SHORT_PAGES, toCursor } from '../request/cursor.ts';
import { limit, uuid } from '../request/fields.ts';
import { preferWait, WAITED, waitSecondsOf } from '../request/prefer.ts';
import { parseQuery } from '../request/validate.ts';
import {
  changeReceiptOf,
  changeReceiptsOf,
  findVisibleChange,
  waitForChangeAsPreferred,
} from './change-queries.ts';
import { ChangePage, ChangeSchema, ChangeStatusSchema } from './schemas.ts';

const TAG = { tags: ['Changes'], security: BEARER };
const VISIBLE =
  'A caller sees a change if it may grant every role that the user had and was to have; without roles, only whoever requested the change sees it. The grant `*` sees all.';
const listQuery = z.object({
  userId: uuid.optional(),
  status: z.array(ChangeStatusSchema).max(50).optional(),
  cursor,
  limit,
});

export function mountChanges(api: Api, deps: AppDeps): void {
  mount(
    api,
    deps,
    {
      ...TAG,
      method: 'get',
      path: '/changes/{id}',
      operationId: 'getChange',
      summary: 'Read the receipt of a change',
      description: VISIBLE,
      request: {
        params: z.object({ id: z.string().openapi({ format: 'uuid' }) }),
        headers: z.object({ Prefer: preferWait }),
      },
      responses: {
        200: json(ChangeSchema, 'The receipt.', WAITED),
        ...problems({ wrong: WRONG_PARAMETER }, 'invalid_request', 'change_not_found'),
      },
    },
    async (c) => {
      const found = await findVisibleChange(deps, c.var.caller, c.req.param('id') ?? '');
      c.set('registrationId', found.registrationId);
      const seconds = waitSecondsOf(c.req.header('prefer'));
      const change = await waitForChangeAsPreferred(deps, c, found, seconds);
      return c.json(await changeReceiptOf(deps, change), 200);
    },
  );

  mount(
    api,
    deps,
    {
      ...TAG,
      method: 'get',
      path: '/changes',
      operationId: 'listChanges',
      summary: 'List changes, newest first',
      description: `${VISIBLE} ${SHORT_PAGES}`,
      request: { query: listQuery },
      responses: {
        200: json(ChangePage, 'One page.'),
        ...problems({ wrong: WRONG_LIMIT }, 'invalid_request', 'invalid_cursor'),
      },
    },
    async (c) => {
      const query = parseQuery(c, listQuery, ['status']);
      const after = fromCursor(query.cursor);
      const { caller } = c.var;
      const filter = {
        visibleTo: { callerId: caller.id, grants: caller.grants },
        ...(query.userId && { userId: query.userId }),
        ...(query.status && { statuses: query.status }),
      };
      const [page, total] = await Promise.all([
        listChanges(deps.db, { ...filter, after, limit: query.limit }),
        after ? null : countChanges(deps.db, filter),
      ]);
      const items = await changeReceiptsOf(deps, page.items);
      return c.json({ items, nextCursor: page.next && toCursor(page.next), total }, 200);
    },
  );
}
