import { z } from '@hono/zod-openapi';
import type { DatabaseState } from '../../db/database-state.ts';
import { Problem } from '../problems/problem-details.ts';
import { json, problems } from '../problems/answers.ts';
import type { AppDeps } from '../app-deps.ts';
import { mountLenient, type Api } from '../openapi/mount.ts';

const Live = z.object({ status: z.literal('ok') }).openapi('Live');
const Ready = z
  .object({
    status: z.literal('ok'),
    postgres: z.literal('ok'),
    temporal: z.enum(['ok', 'degraded']).openapi('TemporalState'),
    worker: z.enum(['ok', 'degraded']).openapi('WorkerState'),
  })
  .openapi('Ready');
const TAGS = { tags: ['Health'] };

const NOT_READY: Record<Exclude<DatabaseState, 'current'>, string> = {
  away: 'PostgreSQL does not answer.',
  behind: 'The database schema is older than this version: run `npm run migrate`.',
  forbidden: 'The database role in DATABASE_URL lacks the grants that docs/production.md lists.',
  empty: 'The database is not migrated: run `npm run migrate`.',
};

/** @param database asks PostgreSQL, in bounded time; never throws */
export function mountHealth(api: Api, deps: AppDeps, database: () => Promise<DatabaseState>): void {
  mountLenient(
    api,
    deps,
    {
      ...TAGS,
      method: 'get',
      path: '/health/live',
      operationId: 'getLiveness',
      summary: 'Check that the process is alive',
      responses: { 200: json(Live, 'The process is alive.') },
    },
    (c) => c.json({ status: 'ok' }, 200),
  );

  mountLenient(
    api,
    deps,
    {
      ...TAGS,
      method: 'get',
      path: '/health/ready',
      operationId: 'getReadiness',
      summary: 'Check that the API can accept requests',
      description:
        'The states of Temporal and the worker are reported but do not affect readiness: without them, accepted registrations wait.',
      responses: {
        200: json(Ready, 'The API can accept requests.'),
        ...problems({ token: false }),
      },
    },
    async (c) => {
      const state = await database();
      if (state !== 'current') throw new Problem('unavailable', { detail: NOT_READY[state] });
      const { temporal, worker } = deps.temporal.state();
      return c.json({ status: 'ok', postgres: 'ok', temporal, worker }, 200);
    },
  );
}

/** For a local stack: elsewhere metrics have a port of their own, since they tell who exists. */
export function mountMetrics(api: Api, deps: AppDeps): void {
  mountLenient(
    api,
    deps,
    {
      ...TAGS,
      method: 'get',
      path: '/metrics',
      operationId: 'getMetrics',
      summary: 'Metrics for Prometheus',
      responses: {
        200: {
          description: 'Metrics in the Prometheus text format.',
          content: { 'text/plain': { schema: { type: 'string' } } },
        },
        ...problems({ token: false }),
      },
    },
    async (c) =>
      c.body(await deps.metrics.text(), 200, { 'content-type': deps.metrics.contentType }),
  );
}
