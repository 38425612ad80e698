import { OpenAPIHono } from '@hono/zod-openapi';
import { Histogram, Registry } from 'prom-client';
import { answerError } from './routes/answer-error.ts';
import type { AppDeps, AppEnv } from './routes/app-deps.ts';
import { mountAuditEvents } from './routes/audit-events.ts';
import { mountSessionDoor } from './routes/door-session.ts';
import { mountStepDoor } from './routes/door-step.ts';
import { mountUsersDoor } from './routes/door-users.ts';
import { mountHealth, type DatabaseState } from './routes/health.ts';
import { browserAccess, requestIds, requestLog, safeHeaders } from './routes/middleware.ts';
import { refuseOtherMethods } from './routes/mount.ts';
import { mountDocument } from './routes/openapi.ts';
import { mountProblemPages } from './routes/problems.ts';
import { mountRegistrationStream } from './routes/registration-stream.ts';
import { mountRegistrationWishes } from './routes/registration-wishes.ts';
import { mountRegistrations } from './routes/registrations.ts';
import { mountRoles } from './routes/roles.ts';
import { migrationState } from './db/migrate.ts';
import { Problem } from './problem-details.ts';

export type { AppDeps } from './routes/app-deps.ts';

/** Less than any prober's patience. */
const READY_MS = 2000;

/** The HTTP API. Opens nothing and listens nowhere: `app.fetch` and `app.request` are its doors. */
export function createApp(deps: AppDeps): OpenAPIHono<AppEnv> {
  const api = new OpenAPIHono<AppEnv>();
  const metrics = new Registry();
  const durations = new Histogram({
    name: 'registrar_http_request_duration_seconds',
    help: 'Requests by method, route and status.',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.005, 0.025, 0.1, 0.25, 1, 2.5, 10, 60],
    registers: [metrics],
  });
  const log = requestLog(deps.logger, (labels, seconds) =>
    durations.observe({ ...labels }, seconds),
  );
  api.use(requestIds(), log, safeHeaders());
  if (deps.corsOrigins.length > 0) api.use(browserAccess(deps.corsOrigins));

  mountRegistrations(api, deps);
  mountRegistrationStream(api, deps);
  mountRegistrationWishes(api, deps);
  mountRoles(api, deps);
  mountAuditEvents(api, deps);
  if (deps.doors.has('users')) mountUsersDoor(api, deps);
  if (deps.doors.has('step')) mountStepDoor(api, deps);
  if (deps.doors.has('session')) mountSessionDoor(api, deps);
  mountHealth(api, deps, { metrics, database: () => databaseState(deps) });
  mountProblemPages(api);
  mountDocument(api, deps);

  refuseOtherMethods(api);
  api.notFound((c) => answerError(c, new Problem('not_found'), deps.logger));
  api.onError((error, c) => answerError(c, error, deps.logger));
  return api;
}

async function databaseState({ db, logger }: AppDeps): Promise<DatabaseState> {
  const { promise: tooLate, resolve } = Promise.withResolvers<'away'>();
  const timer = setTimeout(() => resolve('away'), READY_MS);
  const state = migrationState(db).catch(() => {
    logger.warn({}, 'PostgreSQL does not answer');
    return 'away' as const;
  });
  return await Promise.race([state, tooLate]).finally(() => clearTimeout(timer));
}
