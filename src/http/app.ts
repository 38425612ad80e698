import { OpenAPIHono } from '@hono/zod-openapi';
import { answerError } from './problems/answer-error.ts';
import type { AppDeps, AppEnv } from './app-deps.ts';
import { mountAuditEvents } from './operations/audit-events.ts';
import { mountSeedingDoor } from './doors/seeding.ts';
import { mountSessionDoor } from './accounts/session.ts';
import { mountForgotPassword } from './accounts/recovery.ts';
import { mountResetPassword } from './accounts/reset-password.ts';
import { mountSignupDoor } from './accounts/signup.ts';
import { mountStepDoor } from './doors/step.ts';
import { mountUsersDoor } from './doors/users.ts';
import { mountExample } from './operations/example.ts';
import { mountHealth, mountMetrics } from './operations/health.ts';
import {
  browserAccess,
  ownHostOnly,
  refusedOrigins,
  requestIds,
  requestLog,
  requestTraces,
  safeHeaders,
} from './middleware.ts';
import { refuseOtherMethods } from './openapi/mount.ts';
import { mountDocument } from './openapi/openapi.ts';
import { mountProblemPages } from './problems/problem-pages.ts';
import { mountChangeInstructions } from './changes/change-instructions.ts';
import { mountRetryOfManyChanges } from './changes/retry-many.ts';
import { mountChanges } from './changes/changes.ts';
import { mountRegistrationStream } from './registrations/registration-stream.ts';
import { mountRegistrationInstructions } from './registrations/registration-instructions.ts';
import { mountRegistrations } from './registrations/registrations.ts';
import { mountOverview } from './operations/overview.ts';
import { mountRedeliver } from './operations/redeliver.ts';
import { consoleDeps, mountConsole } from './console/console.ts';
import { answerWithPages } from './console/error-pages.ts';
import { mountRoles } from './operations/roles.ts';
import { mountRetryOfMany } from './registrations/retry-many.ts';
import { mountAddresses } from './users/addresses.ts';
import { mountUserChanges } from './users/user-changes.ts';
import { mountUsers } from './users/users.ts';
import { databaseState } from '../db/database-state.ts';
import { Problem } from './problems/problem-details.ts';

export type { AppDeps } from './app-deps.ts';

/** The HTTP API. Opens nothing and listens nowhere: `app.fetch` and `app.request` are its doors. */
export function createApp(deps: AppDeps): OpenAPIHono<AppEnv> {
  const api = new OpenAPIHono<AppEnv>();
  const { local } = deps;
  api.use(requestIds(), requestLog(deps.logger, deps.metrics), safeHeaders(local !== null));
  if (deps.trace !== null) api.use(requestTraces(deps.trace));
  const consoleOf = consoleDeps(deps);
  if (consoleOf !== null) answerWithPages(api);
  if (local !== null) api.use(ownHostOnly(local.acceptsHost));
  api.use(refusedOrigins(deps.corsOrigins, deps.logger));
  if (deps.corsOrigins.length > 0) api.use(browserAccess(deps.corsOrigins));
  api.use(refuseOtherMethods(api));

  mountRegistrations(api, deps);
  mountRegistrationStream(api, deps);
  mountRegistrationInstructions(api, deps);
  mountRetryOfMany(api, deps);
  mountUsers(api, deps);
  mountUserChanges(api, deps);
  mountChanges(api, deps);
  mountChangeInstructions(api, deps);
  mountRetryOfManyChanges(api, deps);
  mountAddresses(api, deps);
  mountRoles(api, deps);
  mountAuditEvents(api, deps);
  mountOverview(api, deps);
  mountRedeliver(api, deps);
  if (deps.doors.has('users')) mountUsersDoor(api, deps);
  if (deps.doors.has('step')) mountStepDoor(api, deps);
  if (deps.doors.has('signup')) mountSignupDoor(api, deps);
  if (deps.doors.has('seeding')) mountSeedingDoor(api, deps);
  if (deps.doors.has('session')) {
    mountSessionDoor(api, deps);
    mountForgotPassword(api, deps);
    mountResetPassword(api, deps);
  }
  if (consoleOf !== null) mountConsole(api, consoleOf);
  mountHealth(api, deps, () => databaseState(deps.db, deps.logger));
  if (deps.servesMetrics) mountMetrics(api, deps);
  mountProblemPages(api);
  mountDocument(api, deps);
  if (local !== null) mountExample(api, local.mailbox);

  api.notFound((c) => answerError(c, new Problem('not_found'), deps.logger));
  api.onError((error, c) => answerError(c, error, deps.logger));
  return api;
}
