import { z } from '@hono/zod-openapi';
import { listAuditEvents } from '../../ledger/registrations/read.ts';
import { Problem } from '../problems/problem-details.ts';
import { json, problems } from '../problems/answers.ts';
import type { AppDeps } from '../app-deps.ts';
import { cursor, fromCursor, SHORT_PAGES, toCursor } from '../request/cursor.ts';
import { limit, text, uuid } from '../request/fields.ts';
import { BEARER, mount, type Api } from '../openapi/mount.ts';
import { WRONG_LIMIT } from '../problems/problem-examples.ts';
import { AuditEventName, AuditEventPage } from '../registrations/schemas.ts';
import { parseQuery } from '../request/validate.ts';

const auditQuery = z.object({
  registrationId: uuid.optional(),
  userId: text(1, 200).optional(),
  event: AuditEventName.optional(),
  cursor,
  limit,
});

export function mountAuditEvents(api: Api, deps: AppDeps): void {
  mount(
    api,
    deps,
    {
      method: 'get',
      path: '/audit-events',
      operationId: 'listAuditEvents',
      summary: 'List audit events, newest first',
      description: `Only for callers with the grant \`*\`. ${SHORT_PAGES}`,
      tags: ['Audit'],
      security: BEARER,
      request: { query: auditQuery },
      responses: {
        200: json(AuditEventPage, 'One page.'),
        ...problems({ wrong: WRONG_LIMIT }, 'forbidden', 'invalid_request', 'invalid_cursor'),
      },
    },
    async (c) => {
      const query = parseQuery(c, auditQuery);
      const after = fromCursor(query.cursor);
      if (c.var.caller.grants !== '*') throw new Problem('forbidden');
      const page = await listAuditEvents(deps.db, {
        ...(query.registrationId && { registrationId: query.registrationId }),
        ...(query.userId && { userId: query.userId }),
        ...(query.event && { event: query.event }),
        after,
        limit: query.limit,
      });
      const items = page.items.map((row) => ({
        id: row.id,
        event: row.event,
        registrationId: row.registrationId,
        userId: row.userId,
        actor: row.actor,
        at: row.at.toISOString(),
        details: { ...row.details },
      }));
      return c.json({ items, nextCursor: page.next && toCursor(page.next) }, 200);
    },
  );
}
