import { z, type RouteConfig } from '@hono/zod-openapi';
import type { AppDeps } from '../app-deps.ts';
import { BEARER } from '../openapi/mount.ts';
import { json, problems } from '../problems/answers.ts';
import type { ProblemPlace } from '../problems/problem-details.ts';
import { ProblemCode } from '../registrations/schemas.ts';
import { reason } from '../request/fields.ts';

/** Of signals to Temporal at one time. */
const SIGNALS_AT_ONCE = 10;
/** The rest is the sweep's, which delivers every instruction that no run has taken. */
const SIGNALS_WITHIN_MS = 20_000;
/** A run that is gone fails alone; so many failures mean that Temporal is away. */
const GIVES_UP_AFTER = 10;

/** What a request to retry many has beside the status. */
export const retryManyFields = {
  failureCode: ProblemCode.optional(),
  limit: z.int().min(1).max(1000).default(100),
  reason,
};

const RetriedMany = z
  .object({
    accepted: z.int().openapi({ minimum: 0, description: 'How many are retried now.' }),
    remaining: z.int().openapi({
      minimum: 0,
      description: 'How many more match, counted up to 10,000.',
    }),
  })
  .openapi('RetriedMany');

const WRONG_LIMIT: ProblemPlace = {
  pointer: '#/limit',
  code: 'too_big',
  detail: 'Must be at most 1000.',
};

export function retryManyOperation(
  path: '/registrations' | '/changes',
  of: {
    readonly operationId: string;
    readonly summary: string;
    readonly tag: string;
    readonly body: z.ZodType;
    readonly required: boolean;
  },
): RouteConfig {
  const content = { 'application/json': { schema: of.body } };
  return {
    method: 'post',
    path: `${path}/retry`,
    operationId: of.operationId,
    summary: of.summary,
    description:
      'Those that you may see, least recently retried first. Each is audited. Repeat the request while `remaining` is above 0.',
    tags: [of.tag],
    security: BEARER,
    request: { body: { required: of.required, content } },
    responses: {
      202: json(RetriedMany, 'The requests are recorded.'),
      ...problems({ body: true, wrong: WRONG_LIMIT }),
    },
  };
}

/** Wakes the runs after the response, a few at a time and in bounded time: the rows carry what is
 * requested, and the sweep delivers the rest. */
export function signalMany(
  deps: Pick<AppDeps, 'afterwards' | 'closing' | 'logger'>,
  ids: readonly string[],
  signal: (id: string) => Promise<void>,
): void {
  if (ids.length === 0) return;
  deps.afterwards(async () => {
    const until = performance.now() + SIGNALS_WITHIN_MS;
    const left = ids.values();
    const failed: string[] = [];
    const signals = Array.from({ length: SIGNALS_AT_ONCE }, async () => {
      for (const id of left) {
        if (failed.length >= GIVES_UP_AFTER || deps.closing.aborted) return;
        if (performance.now() > until) return;
        try {
          await signal(id);
        } catch (error) {
          failed.push(error instanceof Error ? error.name : 'unknown');
        }
      }
    });
    await Promise.all(signals);
    const [error] = failed;
    if (error === undefined) return;
    deps.logger.warn({ error, failed: failed.length }, 'signals failed; the sweep will retry');
  });
}
