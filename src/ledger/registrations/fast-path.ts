import { randomUUID } from 'node:crypto';
import type { Database } from '../../db/client.ts';
import { runPrepared, rowMapper } from '../../db/prepared.ts';
import { auditEvents } from '../../db/schema.ts';
import type { CompletedRegistration, Registration } from '../../domain/registration.ts';
import { atEdge } from '../database-error.ts';
import type { RecordedUser } from './create-attempt.ts';
import { registrationOf } from './row.ts';
import type { StepUpdates } from '../work/steps.ts';
import { eventIdOf } from './transitions.ts';

/*
 * The two transactions of the fast path. They commit less often than the ordinary path, and a crash
 * between them is as safe: the attempt is recorded before Cognito is called, so a row without an
 * outcome has an open attempt, and whoever continues it reads by e-mail and adopts the user by its mark.
 */

/** Starts the steps of a new registration and records its first create attempt.
 * @returns null where it is not new, an instruction waits or it does not go forward: nothing changed */
export async function beginWithCreateAttempt(
  db: Database,
  id: string,
  runId: string | null,
): Promise<Registration | null> {
  const [raw] = await atEdge(() => runPrepared(db, BEGIN, [id, runId]));
  return raw ? registrationOf(raw) : null;
}

const BEGIN = `
  UPDATE registrations
  SET status = 'running', run_id = coalesce($2::text, run_id),
    roles_touched = ARRAY(SELECT DISTINCT unnest(roles_touched || roles)),
    create_attempt = 1, create_attempted_at = clock_timestamp()
  WHERE id = $1::uuid AND status IN ('accepted', 'running') AND create_attempt = 0 AND instruction IS NULL
    AND replaces IS NULL
  RETURNING *, clock_timestamp() AS read_at`;

/**
 * Records the user of the first create attempt and completes the registration: row, `user.registered`
 * and outbox in one statement.
 * @param attempted the row as `beginWithCreateAttempt` returned it; all its roles are assigned
 * @param userCreatedAt by PostgreSQL's clock
 * @returns null where the row has changed since: nothing was written
 */
export async function completeAtOnce(
  db: Database,
  attempted: Pick<Registration, 'id' | 'createAttempt' | 'roles'>,
  user: RecordedUser,
  userCreatedAt: Date,
  steps: StepUpdates,
): Promise<CompletedRegistration | null> {
  const { id, createAttempt, roles } = attempted;
  const [raw] = await atEdge(() =>
    runPrepared(db, COMPLETE, [
      id,
      createAttempt,
      JSON.stringify(roles),
      user.username,
      user.sub,
      userCreatedAt.toISOString(),
      JSON.stringify(steps),
      randomUUID(),
      eventIdOf(id, 'user.created'),
      randomUUID(),
    ]),
  );
  if (!raw) return null;
  const events = raw['timeline'] as readonly Record<string, unknown>[];
  const timeline = events
    .map(mapEvent)
    .map(({ seq: _seq, key: _key, txId: _txId, ...event }) => event);
  return { registration: registrationOf(raw), timeline };
}

// Every WITH part sees the tables as they were before the statement: the new event is added by hand.
const COMPLETE = `
  WITH done AS (
    UPDATE registrations
    SET status = 'completed', finished_at = clock_timestamp(), failure = NULL, next_resume_at = NULL,
      roles_assigned = roles, steps = steps || $7::jsonb,
      create_outcome = 'created', cognito_username = $4::text, user_id = $5::text,
      user_created_at = $6::timestamptz, exists_since = NULL, credentials_refused_since = NULL,
      invitation_status = CASE WHEN invite THEN 'pending' ELSE 'none' END
    WHERE id = $1::uuid AND status = 'running' AND instruction IS NULL
      AND create_attempt = $2::int AND create_outcome IS NULL AND sealed_at IS NULL
      AND roles_replaced_at IS NULL AND roles_touched <@ roles
      AND roles = ARRAY(SELECT jsonb_array_elements_text($3::jsonb))
    RETURNING *, clock_timestamp() AS read_at
  ), registered AS (
    INSERT INTO audit_events (id, event, registration_id, user_id, actor, key, details)
    SELECT $8::uuid, 'user.registered', id, user_id, requested_by, user_id,
      jsonb_build_object('roles', to_jsonb(roles), 'door', door)
    FROM done
    ON CONFLICT DO NOTHING
    RETURNING *
  ), told AS (
    INSERT INTO outbox (id, registration_id, kind, occurred_at)
    SELECT $9::uuid, id, 'user.created', finished_at FROM done
    ON CONFLICT DO NOTHING
  ), invited AS (
    INSERT INTO outbox (id, registration_id, kind, occurred_at)
    SELECT $10::uuid, id, 'invitation', finished_at FROM done WHERE invite
    RETURNING id, occurred_at
  ), mailed AS (
    INSERT INTO outbox_deliveries (outbox_id, destination, next_attempt_at)
    SELECT id, 'cognito-mail', occurred_at FROM invited
  )
  SELECT done.*, (
    SELECT jsonb_agg(to_jsonb(entry) ORDER BY seq) FROM (
      SELECT * FROM audit_events WHERE registration_id = done.id
      UNION ALL SELECT * FROM registered
    ) AS entry
  ) AS timeline
  FROM done`;

const mapEvent = rowMapper(auditEvents);
