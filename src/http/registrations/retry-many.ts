import { z } from '@hono/zod-openapi';
import { requestRetryOfMany, RETRIED_STATUSES } from '../../ledger/registrations/instructions.ts';
import { BEARER, mount, type Api } from '../openapi/mount.ts';
import { json, problems } from '../problems/answers.ts';
import type { AppDeps } from '../app-deps.ts';
import { readJson } from '../request/body.ts';
import { retryManyFields, RetriedMany, signalMany, WRONG_STATUS } from '../request/retry-many.ts';
import { parse } from '../request/validate.ts';

const body = z
  .strictObject({
    status: z.enum(RETRIED_STATUSES).openapi('RetriedStatus'),
    ...retryManyFields,
  })
  .openapi('RetryOfMany');

export function mountRetryOfMany(api: Api, deps: AppDeps): void {
  mount(
    api,
    deps,
    {
      method: 'post',
      path: '/registrations/retry',
      operationId: 'retryRegistrations',
      summary: 'Retry many parked registrations or failed cleanups',
      description:
        'Those that you may see, least recently retried first. Each is audited. Repeat the request while `remaining` is above 0.',
      tags: ['Registrations'],
      security: BEARER,
      request: { body: { required: true, content: { 'application/json': { schema: body } } } },
      responses: {
        202: json(RetriedMany, 'The requests are recorded.'),
        ...problems({ body: true, wrong: WRONG_STATUS }),
      },
    },
    async (c) => {
      const { status, failureCode = null, limit, reason = null } = parse(body, await readJson(c));
      const { id: actor, grants } = c.var.caller;
      const visibleTo = { callerId: actor, grants };
      const { rows, remaining } = await requestRetryOfMany(
        deps.db,
        { actor, reason },
        { status, failureCode, limit, visibleTo },
      );
      const ids = rows.map(({ id }) => id);
      signalMany(deps, ids, (id) => deps.runs.resume(id, 'operator'));
      return c.json({ accepted: rows.length, remaining }, 202);
    },
  );
}
