import { z } from '@hono/zod-openapi';
import { requestRetryOfMany, RETRIED_STATUSES } from '../../ledger/registrations/instructions.ts';
import { mount, type Api } from '../openapi/mount.ts';
import type { AppDeps } from '../app-deps.ts';
import { readJson } from '../request/body.ts';
import { retryManyFields, retryManyOperation, signalMany } from '../receipts/retry-many.ts';
import { parse } from '../request/validate.ts';

const body = z
  .strictObject({ status: z.enum(RETRIED_STATUSES).openapi('RetriedStatus'), ...retryManyFields })
  .openapi('RetryOfMany');

export function mountRetryOfMany(api: Api, deps: AppDeps): void {
  const operation = retryManyOperation('/registrations', {
    operationId: 'retryRegistrations',
    summary: 'Retry many parked registrations or failed cleanups',
    tag: 'Registrations',
    body,
    required: true,
  });
  mount(api, deps, operation, async (c) => {
    const sent = parse(body, await readJson(c));
    const { id: actor, grants } = c.var.caller;
    const { rows, remaining } = await requestRetryOfMany(
      deps.db,
      { actor, reason: sent.reason ?? null },
      {
        status: sent.status,
        failureCode: sent.failureCode ?? null,
        limit: sent.limit,
        visibleTo: { callerId: actor, grants },
      },
    );
    const ids = rows.map(({ id }) => id);
    signalMany(deps, ids, (id) => deps.runs.resume(id, 'operator'));
    return c.json({ accepted: rows.length, remaining }, 202);
  });
}
