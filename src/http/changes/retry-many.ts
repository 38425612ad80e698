import { z } from '@hono/zod-openapi';
import { requestRetryOfManyChanges } from '../../ledger/changes/instructions.ts';
import { mount, type Api } from '../openapi/mount.ts';
import type { AppDeps } from '../app-deps.ts';
import { readOptionalJson } from '../request/body.ts';
import { retryManyFields, retryManyOperation, signalMany } from '../receipts/retry-many.ts';
import { parse } from '../request/validate.ts';

const body = z
  .strictObject({
    status: z.literal('parked').default('parked'),
    ...retryManyFields,
  })
  .openapi('RetryOfManyChanges');

export function mountRetryOfManyChanges(api: Api, deps: AppDeps): void {
  const operation = retryManyOperation('/changes', {
    operationId: 'retryChanges',
    summary: 'Retry many parked changes',
    tag: 'Changes',
    body,
    required: false,
  });
  mount(api, deps, operation, async (c) => {
    const sent = parse(body, await readOptionalJson(c));
    const { id: actor, grants } = c.var.caller;
    const { rows, remaining } = await requestRetryOfManyChanges(
      deps.db,
      { actor, reason: sent.reason ?? null },
      {
        failureCode: sent.failureCode ?? null,
        limit: sent.limit,
        visibleTo: { callerId: actor, grants },
      },
    );
    const users = new Set(rows.flatMap(({ userId }) => userId ?? []));
    signalMany(deps, [...users], (userId) => deps.userRuns.wake(userId, 'interrupt'));
    return c.json({ accepted: rows.length, remaining }, 202);
  });
}
