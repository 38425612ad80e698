import { z } from '@hono/zod-openapi';
import {
  redeliver,
  redeliverTargets,
  type RedeliverRefusal,
} from '../../ledger/outbox/redeliver.ts';
import { BEARER, mount, type Api } from '../openapi/mount.ts';
import { json, problems } from '../problems/answers.ts';
import { pointerTo, Problem, type ProblemPlace } from '../problems/problem-details.ts';
import type { AppDeps } from '../app-deps.ts';
import { readOptionalJson } from '../request/body.ts';
import { instant } from '../request/fields.ts';
import { parse } from '../request/validate.ts';
import { OutboxDestinationSchema } from './overview-schemas.ts';

/** Longer than this no request works; a repeat goes on. */
const WITHIN_MS = 10_000;

const body = z
  .strictObject({
    destination: OutboxDestinationSchema.optional().openapi({
      description: 'Default: every destination that is configured.',
    }),
    waiting: z.boolean().default(false).openapi({
      description:
        'Deliveries that wait for their next attempt, rather than those that were given up.',
    }),
    since: instant.optional().openapi({
      description:
        'Only what occurred since; unless `waiting`, also events that have no delivery yet.',
    }),
  })
  .openapi('Redelivery');
const Due = z
  .object({
    due: z.int().openapi({
      minimum: 0,
      description: 'Deliveries that are due now because of this request. Repeat it until it is 0.',
    }),
  })
  .openapi('Due');

const REFUSALS: Readonly<Record<RedeliverRefusal, string>> = {
  not_an_event:
    'Invitations that were given up are requested again with `POST /registrations/{id}/invitation`. Set `waiting` for those that wait.',
  not_configured: 'This destination is not configured.',
};
const WRONG: ProblemPlace = {
  pointer: pointerTo('destination'),
  code: 'not_configured',
  detail: REFUSALS.not_configured,
};

export function mountRedeliver(api: Api, deps: AppDeps): void {
  mount(
    api,
    deps,
    {
      method: 'post',
      path: '/outbox/redeliver',
      operationId: 'redeliverOutbox',
      summary: 'Make deliveries due now',
      description:
        'Deliveries that were given up or, with `waiting`, those that wait for their next attempt. Only for callers with the grant `*`.',
      tags: ['Operations'],
      security: BEARER,
      request: { body: { required: false, content: { 'application/json': { schema: body } } } },
      responses: {
        202: json(Due, 'How many are due.'),
        ...problems({ body: true, wrong: WRONG }, 'forbidden'),
      },
    },
    async (c) => {
      const { destination = null, waiting, since = null } = parse(body, await readOptionalJson(c));
      if (c.var.caller.grants !== '*') throw new Problem('forbidden');
      const targets = redeliverTargets(deps.eventDestinations, { destination, waiting });
      if (!Array.isArray(targets)) {
        const place = { ...WRONG, code: targets, detail: REFUSALS[targets] };
        throw new Problem('invalid_request', { errors: [place] });
      }
      const until = performance.now() + WITHIN_MS;
      const goesOn = () => performance.now() < until;
      const due = await redeliver(deps.db, targets, { waiting, since }, goesOn);
      deps.logger.info(
        { requestId: c.var.requestId, destination, waiting, due },
        'outbox redelivery',
      );
      return c.json({ due }, 202);
    },
  );
}
