import { sql } from 'drizzle-orm';
import type { Database } from '../../db/client.ts';
import { IS_RETRIABLE } from '../../db/schema.ts';
import type { InstructionKind, Registration } from '../../domain/registration.ts';
import { isCompensating } from '../../domain/status.ts';
import { atEdge } from '../database-error.ts';
import {
  requestCancelOf,
  requestResume as requestResumeOf,
  undelivered,
  type InstructionInput,
  type ResumeRequest,
} from '../work/instructions.ts';
import {
  retryMany,
  type RetriableTable,
  type RetriedMany,
  type RetryFilter,
} from '../work/retry-many.ts';
import { textArray } from '../work/steps.ts';
import { REGISTRATION_WORK, toRegistration } from './row.ts';

export type ResumeRequestResult =
  | { readonly kind: 'done'; readonly registration: Registration }
  | { readonly kind: 'not_parked' };

/** Wants a parked run resumed (it is `running` again at once), a create that goes on slowly tried
 * again, or a stuck cleanup tried again. */
export async function requestRetry(
  db: Database,
  id: string,
  instruction: InstructionInput,
): Promise<ResumeRequestResult> {
  return await requestResume(db, id, retryRequest(instruction));
}

function retryRequest(instruction: InstructionInput): ResumeRequest {
  return {
    ...instruction,
    kind: 'retry',
    event: 'registration.retry_requested',
    // A running row carries a failure only while its create goes on slowly.
    resumable: sql`(status IN ('roles_pending', 'cleanup_required')
      OR (status = 'running' AND failure IS NOT NULL))`,
    set: {},
  };
}

const RETRIABLE: RetriableTable = {
  table: sql.raw('registrations'),
  roles: sql.raw('roles'),
  retriable: IS_RETRIABLE,
  status: sql.raw('phase'),
};

/** Statuses of registrations that can be retried many at once. */
export const RETRIED_STATUSES = ['roles_pending', 'cleanup_required'] as const;

/** As requestRetry for many at once, each with its audit event, in one transaction. */
export async function requestRetryOfMany(
  db: Database,
  instruction: InstructionInput,
  filter: RetryFilter & { readonly status: (typeof RETRIED_STATUSES)[number] },
): Promise<RetriedMany> {
  return await retryMany(
    db,
    REGISTRATION_WORK,
    RETRIABLE,
    filter,
    resumeRequest(retryRequest(instruction)),
  );
}

/** Wants other roles on a parked run, and the run resumed. */
export async function requestRoles(
  db: Database,
  id: string,
  { actor, reason, roles: wanted }: InstructionInput & { readonly roles: readonly string[] },
): Promise<ResumeRequestResult> {
  const roles = [...wanted];
  return await requestResume(db, id, {
    actor,
    reason,
    kind: 'roles',
    event: 'registration.roles_requested',
    details: { roles },
    // A sign-up whose address nobody has proved gets no role.
    resumable: sql`status = 'roles_pending' AND (door <> 'signup' OR email_verified OR ${roles.length} = 0)`,
    set: {
      roles,
      rolesTouched: sql`ARRAY(SELECT DISTINCT unnest(roles_touched || roles || ${textArray(roles)}))`,
      rolesRemoved: sql`ARRAY(SELECT unnest(roles_removed) EXCEPT SELECT unnest(${textArray(roles)}))`,
      // Without a user no write to its groups can be on its way.
      rolesReplacedAt: sql`CASE WHEN create_outcome = 'created' THEN clock_timestamp() END`,
    },
  });
}

/** Wants everything taken back. While compensating it is audited and changes nothing. */
export async function requestCancel(
  db: Database,
  id: string,
  instruction: InstructionInput,
): Promise<
  | { readonly kind: 'done' | 'compensating'; readonly registration: Registration }
  | { readonly kind: 'already_closed' }
> {
  return await atEdge(() =>
    db.transaction(async (tx) => {
      const told = await requestCancelOf(tx, REGISTRATION_WORK, id, {
        ...instruction,
        event: 'registration.cancel_requested',
        cancellable: REGISTRATION_WORK.forward,
        isTakenBack: ({ status }) => isCompensating(status),
      });
      if (!told) return { kind: 'already_closed' };
      const kind = told.kind === 'done' ? 'done' : 'compensating';
      return { kind, registration: toRegistration(told.row) };
    }),
  );
}

/** Instructions older than `olderThanMs` that no run has taken: the API died before sending them. */
export async function undeliveredInstructions(
  db: Database,
  olderThanMs: number,
  limit: number,
): Promise<{ id: string; kind: InstructionKind }[]> {
  const rows = await undelivered(db, REGISTRATION_WORK, olderThanMs, limit);
  return rows.flatMap(({ id, instruction: kind }) => (kind ? [{ id, kind }] : []));
}

async function requestResume(
  db: Database,
  id: string,
  request: ResumeRequest,
): Promise<ResumeRequestResult> {
  const row = await requestResumeOf(db, REGISTRATION_WORK, id, resumeRequest(request));
  return row ? { kind: 'done', registration: toRegistration(row) } : { kind: 'not_parked' };
}

function resumeRequest(request: ResumeRequest): ResumeRequest {
  return {
    ...request,
    // An instruction to cancel stands: nothing may put it off.
    resumable: sql`${request.resumable}
      AND (instruction IS DISTINCT FROM 'cancel' OR status = 'cleanup_required')`,
    set: {
      ...request.set,
      failure: sql`CASE WHEN status IN ('roles_pending', 'running') THEN NULL ELSE failure END`,
      // A full budget again.
      existsSince: null,
    },
  };
}
