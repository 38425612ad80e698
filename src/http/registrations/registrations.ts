import { z } from '@hono/zod-openapi';
import { findVisible, receiptOf, receiptsOf } from './receipt-queries.ts';
import { countRegistrations, listRegistrations } from '../../ledger/registrations/list.ts';
import { parse, parseQuery } from '../request/validate.ts';
import { acceptForCaller } from './accept-for-caller.ts';
import { json, problems, REGISTRATION_LINKS } from '../problems/answers.ts';
import type { AppDeps } from '../app-deps.ts';
import { readJson } from '../request/body.ts';
import { cursor, fromCursor, SHORT_PAGES, toCursor } from '../request/cursor.ts';
import { email, instant, limit, text } from '../request/fields.ts';
import { idempotencyKey, idempotencyKeyOf } from '../request/idempotency-key.ts';
import { BEARER, mount, type Api } from '../openapi/mount.ts';
import { WRONG_LIMIT, WRONG_PARAMETER } from '../problems/problem-examples.ts';
import { problemOf, REQUEST_PROBLEMS } from './outcome.ts';
import { preferWait, WAITED, waitSecondsOf } from '../request/prefer.ts';
import { newRegistration, toWanted } from './registration-body.ts';
import {
  ProblemCode,
  ReceiptSchema,
  RegistrationPage,
  RegistrationStatusSchema,
} from './schemas.ts';
import { waitAsPreferred } from './wait.ts';

const pathId = z.object({ id: z.string().openapi({ format: 'uuid' }) });
const listQuery = z.object({
  status: z.array(RegistrationStatusSchema).max(50).optional(),
  failureCode: ProblemCode.optional(),
  email: email.optional(),
  /** The beginning of addresses, in any case. */
  emailPrefix: text(1, 254).optional(),
  username: text(1, 50).optional(),
  // Any text: a name that no role can have is one that no registration has.
  role: text(1, 128).optional(),
  requestedBy: text(1, 200).optional(),
  acceptedAfter: instant.optional(),
  acceptedBefore: instant.optional(),
  cursor,
  limit,
});
const told = {
  ...WAITED,
  Location: 'URL of the registration.',
  'Idempotent-Replayed': '`true` if the Idempotency-Key was used before.',
};
const TAG = { tags: ['Registrations'], security: BEARER };

export function mountRegistrations(api: Api, deps: AppDeps): void {
  const body = newRegistration(deps);

  mount(
    api,
    deps,
    {
      ...TAG,
      method: 'post',
      path: '/registrations',
      operationId: 'createRegistration',
      summary: 'Register a user',
      description:
        'Stores the registration durably and responds at once. With `Prefer: wait`, waits for the outcome.',
      request: {
        headers: z.object({ 'Idempotency-Key': idempotencyKey, Prefer: preferWait }),
        body: { required: true, content: { 'application/json': { schema: body } } },
      },
      responses: {
        201: json(
          ReceiptSchema,
          'Completed within the wait, or earlier.',
          told,
          REGISTRATION_LINKS,
        ),
        202: json(
          ReceiptSchema,
          'Accepted; the registration is in progress.',
          told,
          REGISTRATION_LINKS,
        ),
        ...problems({ body: true }, ...REQUEST_PROBLEMS, 'password_rejected', 'seal_lost'),
      },
    },
    async (c) => {
      const wanted = toWanted(deps, parse(body, await readJson(c)));
      const key = idempotencyKeyOf(c);
      const { registration, replayed } = await acceptForCaller(deps, c, key, wanted);
      const seconds = waitSecondsOf(c.req.header('prefer'));
      if (replayed) c.header('Idempotent-Replayed', 'true');
      const { row, timeline } =
        seconds === null
          ? { row: registration, timeline: null }
          : await waitAsPreferred(deps, c, registration, seconds);
      const problem = seconds === null ? null : problemOf(row);
      if (problem) throw problem;
      c.header('Location', `/registrations/${row.id}`);
      return c.json(await receiptOf(deps, row, timeline), row.status === 'completed' ? 201 : 202);
    },
  );

  mount(
    api,
    deps,
    {
      ...TAG,
      method: 'get',
      path: '/registrations/{id}',
      operationId: 'getRegistration',
      summary: 'Read a receipt',
      request: { params: pathId, headers: z.object({ Prefer: preferWait }) },
      responses: {
        200: json(ReceiptSchema, 'The receipt.', WAITED),
        ...problems({ wrong: WRONG_PARAMETER }, 'invalid_request', 'registration_not_found'),
      },
    },
    async (c) => {
      const found = await findVisible(deps, c.var.caller, c.req.param('id') ?? '');
      const seconds = waitSecondsOf(c.req.header('prefer'));
      const { row, timeline } =
        seconds === null
          ? { row: found, timeline: null }
          : await waitAsPreferred(deps, c, found, seconds);
      return c.json(await receiptOf(deps, row, timeline), 200);
    },
  );

  mount(
    api,
    deps,
    {
      ...TAG,
      method: 'get',
      path: '/registrations',
      operationId: 'listRegistrations',
      summary: 'List registrations, newest first',
      description: SHORT_PAGES,
      request: { query: listQuery },
      responses: {
        200: json(RegistrationPage, 'One page.'),
        ...problems({ wrong: WRONG_LIMIT }, 'invalid_request', 'invalid_cursor'),
      },
    },
    async (c) => {
      const query = parseQuery(c, listQuery, ['status']);
      const after = fromCursor(query.cursor);
      const { caller } = c.var;
      const filter = {
        visibleTo: { callerId: caller.id, grants: caller.grants },
        ...(query.status && { statuses: query.status }),
        ...(query.failureCode && { failureCode: query.failureCode }),
        ...(query.email && { email: query.email }),
        ...(query.emailPrefix && { emailPrefix: query.emailPrefix.toLowerCase() }),
        ...(query.username && { username: query.username }),
        ...(query.role && { role: query.role }),
        ...(query.requestedBy && { requestedBy: query.requestedBy }),
        ...(query.acceptedAfter && { acceptedAfter: query.acceptedAfter }),
        ...(query.acceptedBefore && { acceptedBefore: query.acceptedBefore }),
      };
      const [page, total] = await Promise.all([
        listRegistrations(deps.db, { ...filter, after, limit: query.limit }),
        after ? null : countRegistrations(deps.db, filter),
      ]);
      const items = await receiptsOf(deps, page.items);
      const nextCursor = page.next && toCursor(page.next);
      return c.json({ items, nextCursor, total }, 200);
    },
  );
}
