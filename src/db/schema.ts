import { sql } from 'drizzle-orm';
import {
  bigint,
  boolean,
  check,
  customType,
  index,
  integer,
  jsonb,
  pgSequence,
  pgTable,
  primaryKey,
  text,
  timestamp,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core';
import type {
  CompensationFailure,
  CreateOutcome,
  Door,
  PublicFailure,
  InstructionKind,
  Replacement,
} from '../domain/registration.ts';
import { COMMON_EVENTS, type AuditEventName } from '../domain/audit-event.ts';
import { OPEN, OPEN_FORWARD, type RegistrationStatus } from '../domain/status.ts';
import { OPEN_CHANGE, type ChangeKind, type ChangeStatus } from '../domain/change.ts';
import type { ProfileOutcome } from '../domain/profile.ts';
import type { StepRecord } from '../domain/step.ts';
import type { AccountDelivery, OutboxDestination } from '../domain/outbox.ts';
import type { UserEventType } from '../domain/user-event.ts';

const at = (name: string) => timestamp(name, { withTimezone: true, precision: 3 });
const xid8 = customType<{ data: string }>({ dataType: () => 'xid8' });
const bytea = customType<{ data: Uint8Array }>({ dataType: () => 'bytea' });

// Raw, because drizzle's `eq` in a partial index emits a parameter and the migration fails.
const listed = (statuses: readonly RegistrationStatus[]): string =>
  statuses.map((status) => `'${status}'`).join(', ');
// Index predicates and keys read these two columns instead of `status`: PostgreSQL keeps an update out
// of all indexes (HOT) only where no column that an index names has changed.
const LIVES = sql.raw(`status IN (${listed(OPEN)})
  OR (status = 'completed' AND user_deleted_at IS NULL AND released_at IS NULL)`);
const PHASE = sql.raw(`CASE WHEN status IN ('accepted', 'running') THEN 'active' ELSE status END`);
/** Rows whose address and username are taken: open ones, and completed ones whose user exists. */
export const LIVING = sql.raw('living');
/** Rows that a repeated key finds: the living ones that have one. */
export const HOLDS_KEY = sql.raw('idempotency_key IS NOT NULL AND living');
export const IS_OPEN = sql.raw(
  `phase IN ('active', 'roles_pending', 'compensating', 'cleanup_required')`,
);
/** Registrations that never completed and still say who the person is. */
export const IS_ERASABLE = sql.raw(`phase IN ('failed', 'cancelled') AND email IS NOT NULL`);
/** Open rows that are not on their way: parked, or being taken back. */
export const IS_WAITING = sql.raw(`phase IN ('roles_pending', 'compensating', 'cleanup_required')`);
/** Of living rows, a sign-up that is being replaced keeps its username, and not its address. */
export const HOLDS_EMAIL = sql.raw('replaced_by IS NULL');
/** Of the outbox: told to others, rather than a mail or a call of ours. */
export const IS_EVENT = sql.raw(`kind LIKE 'user.%'`);
// Whatever a version of Registrar forgets: no seal outlives its use, and nobody who chose a password is
// completed without it.
const SEAL_IN_USE = sql.raw(`sealed_password IS NULL
  OR (password_set_at IS NULL AND status IN (${listed(OPEN_FORWARD)}))`);
const PASSWORD_SET = sql.raw(
  `status <> 'completed' OR sealed_at IS NULL OR password_set_at IS NOT NULL`,
);
/** Nobody whose profile is missing is completed. */
const PROFILE_CREATED = sql.raw(
  `status <> 'completed' OR NOT wants_profile OR profile_id IS NOT NULL`,
);
// No step, mail or sign-in of a living row can meet an erased address.
const ERASED_WHEN_GONE = sql.raw(
  `(email IS NOT NULL AND key_scope IS NOT NULL AND request_hash IS NOT NULL) OR NOT living`,
);
const IS_PARKED = sql.raw(`phase = 'roles_pending'`);
// Of the roles their hash: an entry of an index has less room than 20 names of roles.
const VISIBILITY = sql.raw(`CASE WHEN roles = '{}' THEN 'requester:' || requested_by
  ELSE 'roles:' || hash_array_extended(roles, 0)::text END`);
/** A parked row's code of FAILURES; '' for the others. */
export const WAITS_FOR = sql.raw(
  `(CASE phase WHEN 'roles_pending' THEN coalesce(failure->>'code', '') ELSE '' END)`,
);
/** Since when a row has been parked or, where it is not parked, accepted. */
export const WAITS_SINCE = sql.raw(
  `(CASE phase WHEN 'roles_pending' THEN coalesce(parked_at, accepted_at) ELSE accepted_at END)`,
);

/** What a retry of many selects by; an index cannot be searched for the values of a column that is null. */
export const RETRY_CODE = sql.raw(`coalesce(failure_code, '')`);
/** Rows that a retry of many may take. */
export const IS_RETRIABLE = sql.raw(`phase IN ('roles_pending', 'cleanup_required')`);
export const CHANGE_IS_PARKED = sql.raw(`status = 'parked'`);

// What a registration and a change have alike; src/ledger/work/ reads and writes it for both.
const instructionColumns = () => ({
  instruction: text('instruction').$type<InstructionKind>(),
  instructionActor: text('instruction_actor'),
  instructionReason: text('instruction_reason'),
  instructionAt: at('instruction_at'),
  instructionAcknowledgedAt: at('instruction_acknowledged_at'),
  /** When a person last asked for it to be retried. */
  retriedAt: at('retried_at'),
});
const waitingColumns = () => ({
  parkedAt: at('parked_at'),
  resumeAttempts: integer('resume_attempts').notNull().default(0),
  nextResumeAt: at('next_resume_at'),
  /** Temporal's run that looked at the row last. */
  runId: text('run_id'),
});
const unrecordedColumns = () => ({
  /** Audit events that the trail refused; the sweep appends them. */
  unrecordedEvents: text('unrecorded_events')
    .array()
    .$type<AuditEventName[]>()
    .notNull()
    .default([]),
});

/** One row per accepted registration: the truth about it, and the receipt that outlives Temporal's retention. */
export const registrations = pgTable(
  'registrations',
  {
    id: uuid('id').primaryKey(),
    status: text('status').$type<RegistrationStatus>().notNull(),
    /** `active` while accepted or running, which then is one value in every index; else the status. */
    phase: text('phase').notNull().generatedAlwaysAs(PHASE),
    /** Whether its address and username are taken. */
    living: boolean('living').notNull().generatedAlwaysAs(LIVES),
    /** Rows that the same callers see share it: those of one set of roles or, without roles, of one requester. */
    visibility: text('visibility').notNull().generatedAlwaysAs(VISIBILITY),
    /** null once the person is erased, as the names, the key, its scope and the hash. */
    email: text('email'),
    username: text('username'),
    firstName: text('first_name'),
    lastName: text('last_name'),
    attributes: jsonb('attributes').$type<Record<string, string>>().notNull().default({}),
    emailVerified: boolean('email_verified').notNull(),
    invite: boolean('invite').notNull(),
    roles: text('roles').array().notNull(),
    rolesAssigned: text('roles_assigned').array().notNull().default([]),
    rolesTouched: text('roles_touched').array().notNull().default([]),
    rolesRemoved: text('roles_removed').array().notNull().default([]),
    rolesReplacedAt: at('roles_replaced_at'),
    rolesConfirmedAt: at('roles_confirmed_at'),
    requestedBy: text('requested_by').notNull(),
    door: text('door').$type<Door>().notNull(),
    /** The caller for bearer doors, `<door>:<email>` for public ones. */
    keyScope: text('key_scope'),
    idempotencyKey: text('idempotency_key'),
    requestHash: text('request_hash'),
    ...instructionColumns(),
    createAttempt: integer('create_attempt').notNull().default(0),
    createAttemptedAt: at('create_attempted_at'),
    createOutcome: text('create_outcome').$type<CreateOutcome>(),
    createUnansweredAt: at('create_unanswered_at'),
    existsSince: at('exists_since'),
    credentialsRefusedSince: at('credentials_refused_since'),
    userCreatedAt: at('user_created_at'),
    cognitoUsername: text('cognito_username'),
    userId: text('user_id'),
    /** When a password was sealed: it stays, and says that there is one to set. */
    sealedAt: at('sealed_at'),
    /** Laid out by src/secrets/sealing.ts; null once it is set, taken back or too old. */
    sealedPassword: bytea('sealed_password'),
    passwordSetAt: at('password_set_at'),
    /** Whether the step that sets the password also has a code mailed that proves the address. */
    mailsCode: boolean('mails_code').notNull().default(false),
    /** Whether a profile service was configured when it was accepted. */
    wantsProfile: boolean('wants_profile').notNull().default(false),
    profileId: text('profile_id'),
    profileOutcome: text('profile_outcome').$type<ProfileOutcome>(),
    profileUnansweredAt: at('profile_unanswered_at'),
    profileDeletedAt: at('profile_deleted_at'),
    profileStrayAt: at('profile_stray_at'),
    absenceConfirmedAt: at('absence_confirmed_at'),
    strayUsernames: text('stray_usernames').array().notNull().default([]),
    failure: jsonb('failure').$type<PublicFailure>(),
    /** A column, since no scan of an index alone reads an expression. */
    failureCode: text('failure_code').generatedAlwaysAs(sql.raw(`failure->>'code'`)),
    closesAs: text('closes_as').$type<'failed' | 'cancelled'>(),
    compensationFailures: jsonb('compensation_failures')
      .$type<CompensationFailure[]>()
      .notNull()
      .default([]),
    steps: jsonb('steps').$type<Record<string, StepRecord>>().notNull().default({}),
    invitationStatus: text('invitation_status')
      .$type<'none' | 'pending' | 'sent'>()
      .notNull()
      .default('none'),
    invitationSentAt: at('invitation_sent_at'),
    invitationExpiresAt: at('invitation_expires_at'),
    /** Why it is not sent again by itself. */
    invitationFailure: jsonb('invitation_failure').$type<PublicFailure>(),
    /** Of the operator who asked for it last. */
    invitationReason: text('invitation_reason'),
    /** When a temporary password was last mailed to somebody who forgot theirs. */
    recoveryMailedAt: at('recovery_mailed_at'),
    acceptedAt: at('accepted_at').notNull(),
    finishedAt: at('finished_at'),
    ...waitingColumns(),
    endedRunId: text('ended_run_id'),
    endedRunSeenAt: at('ended_run_seen_at'),
    /** Starts as `accepted_at`, so that the sweep's order needs one index. */
    sweptAt: at('swept_at').notNull().defaultNow(),
    userDeletedAt: at('user_deleted_at'),
    releasedAt: at('released_at'),
    /** The unverified sign-up whose address this registration takes over, and what became of it. */
    replaces: uuid('replaces'),
    replacement: text('replacement').$type<Replacement>(),
    /** Whether the replaced account was enabled before. */
    replacedWasEnabled: boolean('replaced_was_enabled'),
    /** When a write to the replaced account began that has no answer: it may land until its grace is over. */
    replacementOpenAt: at('replacement_open_at'),
    /** The registration that takes over, or took over, the address of this one. */
    replacedBy: uuid('replaced_by'),
    /** The `sequence` of the person's latest event; `user.created` has 1. */
    eventSequence: integer('event_sequence').notNull().default(1),
    ...unrecordedColumns(),
  },
  (t) => [
    uniqueIndex('registrations_living_email')
      .on(t.email.op('text_pattern_ops'))
      .where(sql`${LIVING} AND ${HOLDS_EMAIL}`),
    uniqueIndex('registrations_living_username')
      .on(sql`lower(${t.username} COLLATE "C")`)
      .where(sql.raw('living AND username IS NOT NULL')),
    uniqueIndex('registrations_idempotency_key').on(t.keyScope, t.idempotencyKey).where(HOLDS_KEY),
    // What a list filters by. A row that completes enters none of those with a predicate.
    index('registrations_newest').on(t.acceptedAt.desc().nullsFirst(), t.id.desc().nullsFirst()),
    index('registrations_phase').on(
      t.phase,
      t.acceptedAt.desc().nullsFirst(),
      t.id.desc().nullsFirst(),
    ),
    index('registrations_failure')
      .on(t.failureCode, t.acceptedAt.desc().nullsFirst(), t.id.desc().nullsFirst())
      .where(sql.raw('failure_code IS NOT NULL')),
    index('registrations_past_email')
      .on(t.email.op('text_pattern_ops'))
      .where(sql.raw('NOT living OR replaced_by IS NOT NULL')),
    index('registrations_past_username')
      .on(sql`lower(${t.username} COLLATE "C")`)
      .where(sql.raw('NOT living AND username IS NOT NULL')),
    index('registrations_user').on(t.userId).where(sql.raw('user_id IS NOT NULL')),
    index('registrations_requested_by').on(
      t.requestedBy,
      t.acceptedAt.desc().nullsFirst(),
      t.id.desc().nullsFirst(),
    ),
    index('registrations_visibility').on(
      t.visibility,
      t.acceptedAt.desc().nullsFirst(),
      t.id.desc().nullsFirst(),
    ),
    // What background work looks for.
    index('registrations_open').on(t.sweptAt).where(IS_OPEN),
    index('registrations_waiting').on(t.phase, WAITS_FOR, WAITS_SINCE).where(IS_WAITING),
    index('registrations_due').on(t.nextResumeAt).where(IS_PARKED),
    // The order of a retry of many: for callers that see all, and for others by what they see.
    index('registrations_retry')
      .on(t.phase, RETRY_CODE, t.retriedAt.asc().nullsFirst(), t.id)
      .where(IS_RETRIABLE),
    index('registrations_retry_visible')
      .on(t.phase, t.visibility, RETRY_CODE, t.retriedAt.asc().nullsFirst(), t.id)
      .where(IS_RETRIABLE),
    index('registrations_instructions')
      .on(t.instructionAt)
      .where(sql.raw('instruction IS NOT NULL AND instruction_acknowledged_at IS NULL')),
    index('registrations_unrecorded').on(t.id).where(sql.raw(`unrecorded_events <> '{}'`)),
    index('registrations_erasable').on(t.finishedAt).where(IS_ERASABLE),
    index('registrations_stray_users').on(t.id).where(sql.raw(`stray_usernames <> '{}'`)),
    index('registrations_stray_profiles').on(t.id).where(sql.raw('profile_stray_at IS NOT NULL')),
    check('registrations_erased_when_gone', ERASED_WHEN_GONE),
    check('registrations_seal_in_use', SEAL_IN_USE),
    check('registrations_password_set', PASSWORD_SET),
    check('registrations_profile_created', PROFILE_CREATED),
  ],
);

const CHANGE_IS_OPEN = sql.raw(
  `status IN (${OPEN_CHANGE.map((status) => `'${status}'`).join(', ')})`,
);
/** Changes that a repeated key finds. */
export const HOLDS_CHANGE_KEY = sql.raw(
  `idempotency_key IS NOT NULL AND status NOT IN ('failed', 'cancelled')`,
);
/** A parked change's code of FAILURES; '' for the others. */
export const CHANGE_WAITS_FOR = sql.raw(
  `(CASE status WHEN 'parked' THEN coalesce(failure->>'code', '') ELSE '' END)`,
);
/** Since when a change has been parked or, where it is not parked, accepted. */
export const CHANGE_WAITS_SINCE = sql.raw(
  `(CASE status WHEN 'parked' THEN coalesce(parked_at, accepted_at) ELSE accepted_at END)`,
);
const CHANGE_VISIBILITY = sql.raw(`CASE WHEN person_roles = '{}' THEN 'requester:' || requested_by
  ELSE 'roles:' || hash_array_extended(person_roles, 0)::text END`);

/** One row per accepted change of a person whom Registrar registered. As in `registrations`, the row
 * decides, not the run. */
export const changes = pgTable(
  'changes',
  {
    id: uuid('id').primaryKey(),
    kind: text('kind').$type<ChangeKind>().notNull(),
    status: text('status').$type<ChangeStatus>().notNull(),
    open: boolean('open').notNull().generatedAlwaysAs(CHANGE_IS_OPEN),
    visibility: text('visibility').notNull().generatedAlwaysAs(CHANGE_VISIBILITY),
    /** The Cognito sub. */
    userId: text('user_id').notNull(),
    registrationId: uuid('registration_id').notNull(),
    /** The order of acceptance. */
    position: bigint('position', { mode: 'number' }).generatedAlwaysAsIdentity().notNull(),
    roles: text('roles').array().notNull().default([]),
    addsRoles: boolean('adds_roles').notNull().default(false),
    personRoles: text('person_roles').array().notNull(),
    rolesBefore: text('roles_before').array(),
    rolesTouched: text('roles_touched').array().notNull().default([]),
    enabledBefore: boolean('enabled_before'),
    restoresAs: text('restores_as').$type<'failed' | 'cancelled'>(),
    /** Why; `failure` may say meanwhile what the restoring waits for. */
    restoringFailure: jsonb('restoring_failure').$type<PublicFailure>(),
    openWrites: jsonb('open_writes').$type<Record<string, string>>().notNull().default({}),
    requestedBy: text('requested_by').notNull(),
    /** `<caller> <route>`; null once the person is erased, as the next three. */
    keyScope: text('key_scope'),
    idempotencyKey: text('idempotency_key'),
    requestHash: text('request_hash'),
    /** Why, in the words of whoever asked for it. */
    reason: text('reason'),
    ...instructionColumns(),
    failure: jsonb('failure').$type<PublicFailure>(),
    /** A column, since no scan of an index alone reads an expression. */
    failureCode: text('failure_code').generatedAlwaysAs(sql.raw(`failure->>'code'`)),
    steps: jsonb('steps').$type<Record<string, StepRecord>>().notNull().default({}),
    acceptedAt: at('accepted_at').notNull(),
    begunAt: at('begun_at'),
    finishedAt: at('finished_at'),
    ...waitingColumns(),
    sweptAt: at('swept_at').notNull().defaultNow(),
    ...unrecordedColumns(),
  },
  (t) => [
    uniqueIndex('changes_idempotency_key').on(t.keyScope, t.idempotencyKey).where(HOLDS_CHANGE_KEY),
    index('changes_newest').on(t.acceptedAt.desc().nullsFirst(), t.id.desc().nullsFirst()),
    index('changes_of_user').on(
      t.userId,
      t.acceptedAt.desc().nullsFirst(),
      t.id.desc().nullsFirst(),
    ),
    index('changes_status').on(
      t.status,
      t.acceptedAt.desc().nullsFirst(),
      t.id.desc().nullsFirst(),
    ),
    index('changes_visibility').on(
      t.visibility,
      t.acceptedAt.desc().nullsFirst(),
      t.id.desc().nullsFirst(),
    ),
    index('changes_open').on(t.sweptAt).where(sql.raw('open')),
    index('changes_finished_of_user')
      .on(t.userId, t.finishedAt)
      .where(sql.raw('finished_at IS NOT NULL')),
    index('changes_waiting')
      .on(t.status, CHANGE_WAITS_FOR, CHANGE_WAITS_SINCE)
      .where(sql.raw('open')),
    index('changes_open_of_user').on(t.userId, t.position).where(sql.raw('open')),
    index('changes_retry')
      .on(t.status, RETRY_CODE, t.retriedAt.asc().nullsFirst(), t.id)
      .where(CHANGE_IS_PARKED),
    index('changes_retry_visible')
      .on(t.status, t.visibility, RETRY_CODE, t.retriedAt.asc().nullsFirst(), t.id)
      .where(CHANGE_IS_PARKED),
    index('changes_due').on(t.nextResumeAt).where(sql.raw(`status = 'parked'`)),
    index('changes_instructions')
      .on(t.instructionAt)
      .where(sql.raw('instruction IS NOT NULL AND instruction_acknowledged_at IS NULL AND open')),
    index('changes_unrecorded').on(t.id).where(sql.raw(`unrecorded_events <> '{}'`)),
  ],
);

/** Events that not every registration has: an index of these costs the happy path nothing. */
export const UNCOMMON_EVENT = sql.raw(
  `event NOT IN (${COMMON_EVENTS.map((event) => `'${event}'`).join(', ')})`,
);

/** Append-only; a trigger refuses UPDATE, DELETE and TRUNCATE. No e-mail, no name: those can be erased in the ledger. */
export const auditEvents = pgTable(
  'audit_events',
  {
    id: uuid('id').primaryKey(),
    seq: bigint('seq', { mode: 'bigint' }).generatedAlwaysAsIdentity().notNull(),
    event: text('event').$type<AuditEventName>().notNull(),
    registrationId: uuid('registration_id'),
    userId: text('user_id'),
    actor: text('actor').notNull(),
    at: at('at')
      .notNull()
      .default(sql`clock_timestamp()`),
    /** What makes a repeated append of the same thing the same row. */
    key: text('key').notNull().default(''),
    details: jsonb('details').$type<Record<string, unknown>>().notNull().default({}),
    txId: xid8('tx_id')
      .notNull()
      .default(sql`pg_current_xact_id()`),
  },
  (t) => [
    uniqueIndex('audit_events_once').on(t.registrationId, t.event, t.key),
    index('audit_events_newest').on(t.at.desc().nullsFirst(), t.id.desc().nullsFirst()),
    index('audit_events_uncommon')
      .on(t.event, t.at.desc().nullsFirst(), t.id.desc().nullsFirst())
      .where(UNCOMMON_EVENT),
    index('audit_events_user').on(t.userId).where(sql.raw('user_id IS NOT NULL')),
    index('audit_events_tx').on(t.txId, t.seq),
    index('audit_events_change')
      .on(sql.raw(`(details->>'changeId')`))
      .where(sql.raw(`details->>'changeId' IS NOT NULL`)),
  ],
);

/**
 * Append-only, and gap-free. A batch covers every event whose (`tx_id`, `seq`) lies behind `after` and
 * not behind `through`; the first has no `after`. By its horizon nothing can come to lie there later.
 */
export const auditCheckpoints = pgTable('audit_checkpoints', {
  batch: integer('batch').primaryKey(),
  count: integer('count').notNull(),
  afterTx: xid8('after_tx'),
  afterSeq: bigint('after_seq', { mode: 'bigint' }),
  throughTx: xid8('through_tx').notNull(),
  throughSeq: bigint('through_seq', { mode: 'bigint' }).notNull(),
  /** Of each event, in order: 16 bytes of its id, 32 of its digest. They name what broke. */
  entries: bytea('entries').notNull(),
  madeAt: at('made_at').notNull(),
  /** SHA-256, hex. */
  previousDigest: text('previous_digest').notNull(),
  digest: text('digest').notNull(),
});

/** The last batch that was committed, beside the table: shows when checkpoints were removed from its end. */
export const auditCheckpointsMade = pgSequence('audit_checkpoints_made');

/** Which comparison last met a registration's user in the pool; beside the rows, so that meeting
 * everybody every day does not rewrite them. */
export const poolSeenUsers = pgTable('pool_seen_users', {
  registrationId: uuid('registration_id').primaryKey(),
  /** When that comparison began. */
  comparedAt: at('compared_at').notNull(),
});

/** The result of the last comparison of ledger and pool: one row. */
export const lastPoolComparison = pgTable(
  'last_pool_comparison',
  {
    isLast: boolean('is_last').primaryKey().default(true),
    startedAt: at('started_at').notNull(),
    finishedAt: at('finished_at').notNull(),
    agrees: boolean('agrees').notNull(),
    /** What it counted, by name; no id. */
    counts: jsonb('counts').$type<Record<string, number>>().notNull(),
  },
  () => [check('last_pool_comparison_one_row', sql.raw('is_last'))],
);

/** When the next call of each quota may be made, by public sign-up and by all others. UNLOGGED, as
 * `quota_places` is: written without waiting for the disk, and a crash may forget it. */
export const quotaSlots = pgTable('quota_slots', {
  quota: text('quota').primaryKey(),
  nextCallAt: timestamp('next_call_at', { withTimezone: true }).notNull(),
  nextSignupCallAt: timestamp('next_signup_call_at', { withTimezone: true }).notNull(),
});

/** One row per step that waits for a quota. */
export const quotaPlaces = pgTable(
  'quota_places',
  {
    registrationId: uuid('registration_id').notNull(),
    /** As Temporal's activity id names it. */
    step: text('step').notNull(),
    quota: text('quota').notNull(),
    /** Whether the registration is a public sign-up. */
    signup: boolean('signup').notNull(),
    /** Since when it waits: the order among equals. */
    since: timestamp('since', { withTimezone: true }).notNull(),
    /** When it is expected to ask for its call. */
    turnAt: timestamp('turn_at', { withTimezone: true }).notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.registrationId, t.step, t.quota] }),
    index('quota_places_turn').on(t.quota, t.signup, t.turnAt),
  ],
);

/** What to tell somebody, once the registration is complete, and what was promised about an account.
 * `id` deduplicates. */
export const outbox = pgTable(
  'outbox',
  {
    id: uuid('id').primaryKey(),
    /** null: about an account by its name, which may be nobody's. */
    registrationId: uuid('registration_id'),
    kind: text('kind').$type<'invitation' | AccountDelivery | UserEventType>().notNull(),
    /** The name that was sent; such a row is deleted once it is done. */
    accountName: text('account_name'),
    occurredAt: at('occurred_at').notNull(),
    /** Of an event: rises per person. */
    sequence: integer('sequence').notNull().default(1),
    /** Of `user.roles_changed`: all roles of the person after it. A later change may have others by the
     * time of the delivery. */
    roles: text('roles').array(),
  },
  (t) => [
    check('outbox_roles', sql.raw(`(kind = 'user.roles_changed') = (roles IS NOT NULL)`)),
    index('outbox_events').on(t.occurredAt, t.id).where(IS_EVENT),
    // All of a registration but its first event, of which every registration has one.
    index('outbox_registration')
      .on(t.registrationId)
      .where(sql.raw(`registration_id IS NOT NULL AND kind <> 'user.created'`)),
    index('outbox_account')
      .on(sql`lower(${t.accountName} COLLATE "C")`)
      .where(sql.raw('account_name IS NOT NULL')),
  ],
);

/** Per destination, whether it was told. A row that was given up is not tried again by itself. */
export const outboxDeliveries = pgTable(
  'outbox_deliveries',
  {
    outboxId: uuid('outbox_id')
      .notNull()
      .references(() => outbox.id, { onDelete: 'cascade' }),
    destination: text('destination').$type<OutboxDestination>().notNull(),
    attempts: integer('attempts').notNull().default(0),
    /** Of a mail: attempts whose reply is outstanding or lost. */
    unanswered: integer('unanswered').notNull().default(0),
    nextAttemptAt: at('next_attempt_at').notNull(),
    /** When the latest attempt began that sent a mail, or may have. */
    mailAttemptedAt: at('mail_attempted_at'),
    deliveredAt: at('delivered_at'),
    givenUpAt: at('given_up_at'),
    lastError: text('last_error'),
  },
  (t) => [
    uniqueIndex('outbox_deliveries_once').on(t.outboxId, t.destination),
    index('outbox_deliveries_due')
      .on(t.destination, t.nextAttemptAt)
      .where(sql.raw('delivered_at IS NULL AND given_up_at IS NULL')),
    index('outbox_deliveries_delivered')
      .on(t.deliveredAt, t.outboxId)
      .where(sql.raw('delivered_at IS NOT NULL')),
    index('outbox_deliveries_given_up').on(t.destination).where(sql.raw('given_up_at IS NOT NULL')),
  ],
);

/** Since when the tokens of a person count at Registrar's own routes, where something took the power of
 * older ones; kept as long as such a token may live. Also of people whom Registrar did not register. */
export const tokenCutoffs = pgTable(
  'token_cutoffs',
  {
    /** The Cognito sub. */
    userId: text('user_id').primaryKey(),
    /** Sessions that began before are over. */
    sessionsEndedAt: at('sessions_ended_at'),
    /** Tokens that were issued before name roles of then. */
    rolesChangedAt: at('roles_changed_at'),
    changedAt: at('changed_at').notNull(),
  },
  (t) => [index('token_cutoffs_changed').on(t.changedAt, t.userId)],
);

/** Who is signed in to the console. UNLOGGED: written at every request, and a crash of PostgreSQL may sign
 * people out. */
export const consoleSessions = pgTable(
  'console_sessions',
  {
    /** SHA-256 of the random id in the cookie, in hexadecimal. */
    id: text('id').primaryKey(),
    /** The Cognito sub. */
    userId: text('user_id').notNull(),
    /** As the person signed in. */
    name: text('name').notNull(),
    /** The pool's tokens, with the id as associated data. */
    sealedTokens: bytea('sealed_tokens').notNull(),
    /** Since when a request asks Cognito for new tokens; null: none does. */
    refreshingAt: timestamp('refreshing_at', { withTimezone: true }),
    csrfToken: text('csrf_token').notNull(),
    /** What the next page says of the last action, sealed like the tokens: it may name a person. */
    sealedNotice: bytea('sealed_notice'),
    createdAt: timestamp('created_at', { withTimezone: true }).notNull(),
    seenAt: timestamp('seen_at', { withTimezone: true }).notNull(),
  },
  (t) => [index('console_sessions_user').on(t.userId)],
);

/** Limits of public doors, shared by all API processes; shaped as rate-limiter-flexible wants it.
 * UNLOGGED: a sign-in writes several counts, and a crash loses those of one minute only. */
export const limitCounts = pgTable(
  'limit_counts',
  {
    /** `<limit>:<address or network, digest of the account, or both>` */
    key: text('key').primaryKey(),
    points: integer('points').notNull(),
    /** When the window ends. */
    expire: at('expire'),
  },
  (t) => [index('limit_counts_expire').on(t.expire)],
);

/** Mails to people, by the digest of the address, and of the mailer's day in all. */
export const mailCounts = pgTable(
  'mail_counts',
  {
    /** `address:<digest>`, or `public` */
    key: text('key').primaryKey(),
    /** Of an address: its mails within the last hour. */
    sentAt: timestamp('sent_at', { withTimezone: true }).array().notNull(),
    /** Of the day: how many. */
    mails: integer('mails').notNull(),
    /** When the count means nothing any more. */
    until: timestamp('until', { withTimezone: true }).notNull(),
  },
  (t) => [index('mail_counts_until').on(t.until)],
);
