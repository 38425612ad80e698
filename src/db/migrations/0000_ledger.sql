CREATE SEQUENCE "public"."audit_checkpoints_made" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1;--> statement-breakpoint
CREATE TABLE "audit_checkpoints" (
	"batch" integer PRIMARY KEY NOT NULL,
	"count" integer NOT NULL,
	"after_tx" "xid8",
	"after_seq" bigint,
	"through_tx" "xid8" NOT NULL,
	"through_seq" bigint NOT NULL,
	"entries" "bytea" NOT NULL,
	"made_at" timestamp (3) with time zone NOT NULL,
	"previous_digest" text NOT NULL,
	"digest" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "audit_events" (
	"id" uuid PRIMARY KEY NOT NULL,
	"seq" bigint GENERATED ALWAYS AS IDENTITY (sequence name "audit_events_seq_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"event" text NOT NULL,
	"registration_id" uuid,
	"user_id" text,
	"actor" text NOT NULL,
	"at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL,
	"key" text DEFAULT '' NOT NULL,
	"details" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"tx_id" "xid8" DEFAULT pg_current_xact_id() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "changes" (
	"id" uuid PRIMARY KEY NOT NULL,
	"kind" text NOT NULL,
	"status" text NOT NULL,
	"open" boolean GENERATED ALWAYS AS (status IN ('accepted', 'running', 'parked')) STORED NOT NULL,
	"visibility" text GENERATED ALWAYS AS (CASE WHEN person_roles = '{}' THEN 'requester:' || requested_by
  ELSE 'roles:' || hash_array_extended(person_roles, 0)::text END) STORED NOT NULL,
	"user_id" text NOT NULL,
	"registration_id" uuid NOT NULL,
	"position" bigint GENERATED ALWAYS AS IDENTITY (sequence name "changes_position_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"roles" text[] DEFAULT '{}' NOT NULL,
	"adds_roles" boolean DEFAULT false NOT NULL,
	"person_roles" text[] NOT NULL,
	"roles_before" text[],
	"roles_touched" text[] DEFAULT '{}' NOT NULL,
	"enabled_before" boolean,
	"restores_as" text,
	"restoring_failure" jsonb,
	"open_writes" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"requested_by" text NOT NULL,
	"key_scope" text,
	"idempotency_key" text,
	"request_hash" text,
	"reason" text,
	"instruction" text,
	"instruction_actor" text,
	"instruction_reason" text,
	"instruction_at" timestamp (3) with time zone,
	"instruction_acknowledged_at" timestamp (3) with time zone,
	"retried_at" timestamp (3) with time zone,
	"failure" jsonb,
	"failure_code" text GENERATED ALWAYS AS (failure->>'code') STORED,
	"steps" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"accepted_at" timestamp (3) with time zone NOT NULL,
	"begun_at" timestamp (3) with time zone,
	"finished_at" timestamp (3) with time zone,
	"parked_at" timestamp (3) with time zone,
	"resume_attempts" integer DEFAULT 0 NOT NULL,
	"next_resume_at" timestamp (3) with time zone,
	"run_id" text,
	"swept_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"unrecorded_events" text[] DEFAULT '{}' NOT NULL
);
--> statement-breakpoint
CREATE TABLE "console_sessions" (
	"id" text PRIMARY KEY NOT NULL,
	"user_id" text NOT NULL,
	"name" text NOT NULL,
	"sealed_tokens" "bytea" NOT NULL,
	"refreshing_at" timestamp with time zone,
	"csrf_token" text NOT NULL,
	"sealed_notice" "bytea",
	"created_at" timestamp with time zone NOT NULL,
	"seen_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "last_pool_comparison" (
	"is_last" boolean PRIMARY KEY DEFAULT true NOT NULL,
	"started_at" timestamp (3) with time zone NOT NULL,
	"finished_at" timestamp (3) with time zone NOT NULL,
	"agrees" boolean NOT NULL,
	"counts" jsonb NOT NULL,
	CONSTRAINT "last_pool_comparison_one_row" CHECK (is_last)
);
--> statement-breakpoint
CREATE TABLE "limit_counts" (
	"key" text PRIMARY KEY NOT NULL,
	"points" integer NOT NULL,
	"expire" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "mail_counts" (
	"key" text PRIMARY KEY NOT NULL,
	"sent_at" timestamp with time zone[] NOT NULL,
	"mails" integer NOT NULL,
	"until" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "outbox" (
	"id" uuid PRIMARY KEY NOT NULL,
	"registration_id" uuid,
	"kind" text NOT NULL,
	"account_name" text,
	"occurred_at" timestamp (3) with time zone NOT NULL,
	"sequence" integer DEFAULT 1 NOT NULL,
	"roles" text[],
	CONSTRAINT "outbox_roles" CHECK ((kind = 'user.roles_changed') = (roles IS NOT NULL))
);
--> statement-breakpoint
CREATE TABLE "outbox_deliveries" (
	"outbox_id" uuid NOT NULL,
	"destination" text NOT NULL,
	"attempts" integer DEFAULT 0 NOT NULL,
	"unanswered" integer DEFAULT 0 NOT NULL,
	"next_attempt_at" timestamp (3) with time zone NOT NULL,
	"mail_attempted_at" timestamp (3) with time zone,
	"delivered_at" timestamp (3) with time zone,
	"given_up_at" timestamp (3) with time zone,
	"last_error" text
);
--> statement-breakpoint
CREATE TABLE "pool_seen_users" (
	"registration_id" uuid PRIMARY KEY NOT NULL,
	"compared_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "quota_places" (
	"registration_id" uuid NOT NULL,
	"step" text NOT NULL,
	"quota" text NOT NULL,
	"signup" boolean NOT NULL,
	"since" timestamp with time zone NOT NULL,
	"turn_at" timestamp with time zone NOT NULL,
	CONSTRAINT "quota_places_registration_id_step_quota_pk" PRIMARY KEY("registration_id","step","quota")
);
--> statement-breakpoint
CREATE TABLE "quota_slots" (
	"quota" text PRIMARY KEY NOT NULL,
	"next_call_at" timestamp with time zone NOT NULL,
	"next_signup_call_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "registrations" (
	"id" uuid PRIMARY KEY NOT NULL,
	"status" text NOT NULL,
	"phase" text GENERATED ALWAYS AS (CASE WHEN status IN ('accepted', 'running') THEN 'active' ELSE status END) STORED NOT NULL,
	"living" boolean GENERATED ALWAYS AS (status IN ('accepted', 'running', 'roles_pending', 'compensating', 'cleanup_required')
  OR (status = 'completed' AND user_deleted_at IS NULL AND released_at IS NULL)) STORED NOT NULL,
	"visibility" text GENERATED ALWAYS AS (CASE WHEN roles = '{}' THEN 'requester:' || requested_by
  ELSE 'roles:' || hash_array_extended(roles, 0)::text END) STORED NOT NULL,
	"email" text,
	"username" text,
	"first_name" text,
	"last_name" text,
	"attributes" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"email_verified" boolean NOT NULL,
	"invite" boolean NOT NULL,
	"roles" text[] NOT NULL,
	"roles_assigned" text[] DEFAULT '{}' NOT NULL,
	"roles_touched" text[] DEFAULT '{}' NOT NULL,
	"roles_removed" text[] DEFAULT '{}' NOT NULL,
	"roles_replaced_at" timestamp (3) with time zone,
	"roles_confirmed_at" timestamp (3) with time zone,
	"requested_by" text NOT NULL,
	"door" text NOT NULL,
	"key_scope" text,
	"idempotency_key" text,
	"request_hash" text,
	"instruction" text,
	"instruction_actor" text,
	"instruction_reason" text,
	"instruction_at" timestamp (3) with time zone,
	"instruction_acknowledged_at" timestamp (3) with time zone,
	"retried_at" timestamp (3) with time zone,
	"create_attempt" integer DEFAULT 0 NOT NULL,
	"create_attempted_at" timestamp (3) with time zone,
	"create_outcome" text,
	"create_unanswered_at" timestamp (3) with time zone,
	"exists_since" timestamp (3) with time zone,
	"credentials_refused_since" timestamp (3) with time zone,
	"user_created_at" timestamp (3) with time zone,
	"cognito_username" text,
	"user_id" text,
	"sealed_at" timestamp (3) with time zone,
	"sealed_password" "bytea",
	"password_set_at" timestamp (3) with time zone,
	"mails_code" boolean DEFAULT false NOT NULL,
	"wants_profile" boolean DEFAULT false NOT NULL,
	"profile_id" text,
	"profile_outcome" text,
	"profile_unanswered_at" timestamp (3) with time zone,
	"profile_deleted_at" timestamp (3) with time zone,
	"profile_stray_at" timestamp (3) with time zone,
	"absence_confirmed_at" timestamp (3) with time zone,
	"stray_usernames" text[] DEFAULT '{}' NOT NULL,
	"failure" jsonb,
	"failure_code" text GENERATED ALWAYS AS (failure->>'code') STORED,
	"closes_as" text,
	"compensation_failures" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"steps" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"invitation_status" text DEFAULT 'none' NOT NULL,
	"invitation_sent_at" timestamp (3) with time zone,
	"invitation_expires_at" timestamp (3) with time zone,
	"invitation_failure" jsonb,
	"invitation_reason" text,
	"recovery_mailed_at" timestamp (3) with time zone,
	"accepted_at" timestamp (3) with time zone NOT NULL,
	"finished_at" timestamp (3) with time zone,
	"parked_at" timestamp (3) with time zone,
	"resume_attempts" integer DEFAULT 0 NOT NULL,
	"next_resume_at" timestamp (3) with time zone,
	"run_id" text,
	"ended_run_id" text,
	"ended_run_seen_at" timestamp (3) with time zone,
	"swept_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"user_deleted_at" timestamp (3) with time zone,
	"released_at" timestamp (3) with time zone,
	"replaces" uuid,
	"replacement" text,
	"replaced_was_enabled" boolean,
	"replacement_open_at" timestamp (3) with time zone,
	"replaced_by" uuid,
	"event_sequence" integer DEFAULT 1 NOT NULL,
	"unrecorded_events" text[] DEFAULT '{}' NOT NULL,
	CONSTRAINT "registrations_erased_when_gone" CHECK ((email IS NOT NULL AND key_scope IS NOT NULL AND request_hash IS NOT NULL) OR NOT living),
	CONSTRAINT "registrations_seal_in_use" CHECK (sealed_password IS NULL
  OR (password_set_at IS NULL AND status IN ('accepted', 'running', 'roles_pending'))),
	CONSTRAINT "registrations_password_set" CHECK (status <> 'completed' OR sealed_at IS NULL OR password_set_at IS NOT NULL),
	CONSTRAINT "registrations_profile_created" CHECK (status <> 'completed' OR NOT wants_profile OR profile_id IS NOT NULL)
);
--> statement-breakpoint
CREATE TABLE "token_cutoffs" (
	"user_id" text PRIMARY KEY NOT NULL,
	"sessions_ended_at" timestamp (3) with time zone,
	"roles_changed_at" timestamp (3) with time zone,
	"changed_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
ALTER TABLE "outbox_deliveries" ADD CONSTRAINT "outbox_deliveries_outbox_id_outbox_id_fk" FOREIGN KEY ("outbox_id") REFERENCES "public"."outbox"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "audit_events_once" ON "audit_events" USING btree ("registration_id","event","key");--> statement-breakpoint
CREATE INDEX "audit_events_newest" ON "audit_events" USING btree ("at" DESC NULLS FIRST,"id" DESC NULLS FIRST);--> statement-breakpoint
CREATE INDEX "audit_events_uncommon" ON "audit_events" USING btree ("event","at" DESC NULLS FIRST,"id" DESC NULLS FIRST) WHERE event NOT IN ('registration.requested', 'user.registered');--> statement-breakpoint
CREATE INDEX "audit_events_user" ON "audit_events" USING btree ("user_id") WHERE user_id IS NOT NULL;--> statement-breakpoint
CREATE INDEX "audit_events_tx" ON "audit_events" USING btree ("tx_id","seq");--> statement-breakpoint
CREATE INDEX "audit_events_change" ON "audit_events" USING btree ((details->>'changeId')) WHERE details->>'changeId' IS NOT NULL;--> statement-breakpoint
CREATE UNIQUE INDEX "changes_idempotency_key" ON "changes" USING btree ("key_scope","idempotency_key") WHERE idempotency_key IS NOT NULL AND status NOT IN ('failed', 'cancelled');--> statement-breakpoint
CREATE INDEX "changes_newest" ON "changes" USING btree ("accepted_at" DESC NULLS FIRST,"id" DESC NULLS FIRST);--> statement-breakpoint
CREATE INDEX "changes_of_user" ON "changes" USING btree ("user_id","accepted_at" DESC NULLS FIRST,"id" DESC NULLS FIRST);--> statement-breakpoint
CREATE INDEX "changes_status" ON "changes" USING btree ("status","accepted_at" DESC NULLS FIRST,"id" DESC NULLS FIRST);--> statement-breakpoint
CREATE INDEX "changes_visibility" ON "changes" USING btree ("visibility","accepted_at" DESC NULLS FIRST,"id" DESC NULLS FIRST);--> statement-breakpoint
CREATE INDEX "changes_open" ON "changes" USING btree ("swept_at") WHERE open;--> statement-breakpoint
CREATE INDEX "changes_finished_of_user" ON "changes" USING btree ("user_id","finished_at") WHERE finished_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX "changes_waiting" ON "changes" USING btree ("status",(CASE status WHEN 'parked' THEN coalesce(failure->>'code', '') ELSE '' END),(CASE status WHEN 'parked' THEN coalesce(parked_at, accepted_at) ELSE accepted_at END)) WHERE open;--> statement-breakpoint
CREATE INDEX "changes_open_of_user" ON "changes" USING btree ("user_id","position") WHERE open;--> statement-breakpoint
CREATE INDEX "changes_retry" ON "changes" USING btree ("status",coalesce(failure_code, ''),"retried_at" NULLS FIRST,"id") WHERE status = 'parked';--> statement-breakpoint
CREATE INDEX "changes_retry_visible" ON "changes" USING btree ("status","visibility",coalesce(failure_code, ''),"retried_at" NULLS FIRST,"id") WHERE status = 'parked';--> statement-breakpoint
CREATE INDEX "changes_due" ON "changes" USING btree ("next_resume_at") WHERE status = 'parked';--> statement-breakpoint
CREATE INDEX "changes_instructions" ON "changes" USING btree ("instruction_at") WHERE instruction IS NOT NULL AND instruction_acknowledged_at IS NULL AND open;--> statement-breakpoint
CREATE INDEX "changes_unrecorded" ON "changes" USING btree ("id") WHERE unrecorded_events <> '{}';--> statement-breakpoint
CREATE INDEX "console_sessions_user" ON "console_sessions" USING btree ("user_id");--> statement-breakpoint
CREATE INDEX "limit_counts_expire" ON "limit_counts" USING btree ("expire");--> statement-breakpoint
CREATE INDEX "mail_counts_until" ON "mail_counts" USING btree ("until");--> statement-breakpoint
CREATE INDEX "outbox_events" ON "outbox" USING btree ("occurred_at","id") WHERE kind LIKE 'user.%';--> statement-breakpoint
CREATE INDEX "outbox_registration" ON "outbox" USING btree ("registration_id") WHERE registration_id IS NOT NULL AND kind <> 'user.created';--> statement-breakpoint
CREATE INDEX "outbox_account" ON "outbox" USING btree (lower("account_name" COLLATE "C")) WHERE account_name IS NOT NULL;--> statement-breakpoint
CREATE UNIQUE INDEX "outbox_deliveries_once" ON "outbox_deliveries" USING btree ("outbox_id","destination");--> statement-breakpoint
CREATE INDEX "outbox_deliveries_due" ON "outbox_deliveries" USING btree ("destination","next_attempt_at") WHERE delivered_at IS NULL AND given_up_at IS NULL;--> statement-breakpoint
CREATE INDEX "outbox_deliveries_delivered" ON "outbox_deliveries" USING btree ("delivered_at","outbox_id") WHERE delivered_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX "outbox_deliveries_given_up" ON "outbox_deliveries" USING btree ("destination") WHERE given_up_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX "quota_places_turn" ON "quota_places" USING btree ("quota","signup","turn_at");--> statement-breakpoint
CREATE UNIQUE INDEX "registrations_living_email" ON "registrations" USING btree ("email" text_pattern_ops) WHERE living AND replaced_by IS NULL;--> statement-breakpoint
CREATE UNIQUE INDEX "registrations_living_username" ON "registrations" USING btree (lower("username" COLLATE "C")) WHERE living AND username IS NOT NULL;--> statement-breakpoint
CREATE UNIQUE INDEX "registrations_idempotency_key" ON "registrations" USING btree ("key_scope","idempotency_key") WHERE idempotency_key IS NOT NULL AND living;--> statement-breakpoint
CREATE INDEX "registrations_newest" ON "registrations" USING btree ("accepted_at" DESC NULLS FIRST,"id" DESC NULLS FIRST);--> statement-breakpoint
CREATE INDEX "registrations_phase" ON "registrations" USING btree ("phase","accepted_at" DESC NULLS FIRST,"id" DESC NULLS FIRST);--> statement-breakpoint
CREATE INDEX "registrations_failure" ON "registrations" USING btree ("failure_code","accepted_at" DESC NULLS FIRST,"id" DESC NULLS FIRST) WHERE failure_code IS NOT NULL;--> statement-breakpoint
CREATE INDEX "registrations_past_email" ON "registrations" USING btree ("email" text_pattern_ops) WHERE NOT living OR replaced_by IS NOT NULL;--> statement-breakpoint
CREATE INDEX "registrations_past_username" ON "registrations" USING btree (lower("username" COLLATE "C")) WHERE NOT living AND username IS NOT NULL;--> statement-breakpoint
CREATE INDEX "registrations_user" ON "registrations" USING btree ("user_id") WHERE user_id IS NOT NULL;--> statement-breakpoint
CREATE INDEX "registrations_requested_by" ON "registrations" USING btree ("requested_by","accepted_at" DESC NULLS FIRST,"id" DESC NULLS FIRST);--> statement-breakpoint
CREATE INDEX "registrations_visibility" ON "registrations" USING btree ("visibility","accepted_at" DESC NULLS FIRST,"id" DESC NULLS FIRST);--> statement-breakpoint
CREATE INDEX "registrations_open" ON "registrations" USING btree ("swept_at") WHERE phase IN ('active', 'roles_pending', 'compensating', 'cleanup_required');--> statement-breakpoint
CREATE INDEX "registrations_waiting" ON "registrations" USING btree ("phase",(CASE phase WHEN 'roles_pending' THEN coalesce(failure->>'code', '') ELSE '' END),(CASE phase WHEN 'roles_pending' THEN coalesce(parked_at, accepted_at) ELSE accepted_at END)) WHERE phase IN ('roles_pending', 'compensating', 'cleanup_required');--> statement-breakpoint
CREATE INDEX "registrations_due" ON "registrations" USING btree ("next_resume_at") WHERE phase = 'roles_pending';--> statement-breakpoint
CREATE INDEX "registrations_retry" ON "registrations" USING btree ("phase",coalesce(failure_code, ''),"retried_at" NULLS FIRST,"id") WHERE phase IN ('roles_pending', 'cleanup_required');--> statement-breakpoint
CREATE INDEX "registrations_retry_visible" ON "registrations" USING btree ("phase","visibility",coalesce(failure_code, ''),"retried_at" NULLS FIRST,"id") WHERE phase IN ('roles_pending', 'cleanup_required');--> statement-breakpoint
CREATE INDEX "registrations_instructions" ON "registrations" USING btree ("instruction_at") WHERE instruction IS NOT NULL AND instruction_acknowledged_at IS NULL;--> statement-breakpoint
CREATE INDEX "registrations_unrecorded" ON "registrations" USING btree ("id") WHERE unrecorded_events <> '{}';--> statement-breakpoint
CREATE INDEX "registrations_erasable" ON "registrations" USING btree ("finished_at") WHERE phase IN ('failed', 'cancelled') AND email IS NOT NULL;--> statement-breakpoint
CREATE INDEX "registrations_stray_users" ON "registrations" USING btree ("id") WHERE stray_usernames <> '{}';--> statement-breakpoint
CREATE INDEX "registrations_stray_profiles" ON "registrations" USING btree ("id") WHERE profile_stray_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX "token_cutoffs_changed" ON "token_cutoffs" USING btree ("changed_at","user_id");--> statement-breakpoint
-- Room on each page, so that a row's next version stays on it and out of the indexes (HOT).
ALTER TABLE "registrations" SET (fillfactor = 85);
--> statement-breakpoint
ALTER TABLE "quota_slots" SET UNLOGGED;
--> statement-breakpoint
ALTER TABLE "limit_counts" SET UNLOGGED;
--> statement-breakpoint
ALTER TABLE "quota_places" SET UNLOGGED;
--> statement-breakpoint
ALTER TABLE "console_sessions" SET UNLOGGED;
--> statement-breakpoint
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'P0001';
END $$;
--> statement-breakpoint
CREATE TRIGGER audit_events_append_only BEFORE UPDATE OR DELETE ON audit_events
  FOR EACH ROW EXECUTE FUNCTION refuse_change();
--> statement-breakpoint
CREATE TRIGGER audit_events_no_truncate BEFORE TRUNCATE ON audit_events
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
--> statement-breakpoint
CREATE TRIGGER audit_checkpoints_append_only BEFORE UPDATE OR DELETE ON audit_checkpoints
  FOR EACH ROW EXECUTE FUNCTION refuse_change();
--> statement-breakpoint
CREATE TRIGGER audit_checkpoints_no_truncate BEFORE TRUNCATE ON audit_checkpoints
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
--> statement-breakpoint
-- Default privileges let the processes' role change every table: of these two it may only add rows.
DO $$
DECLARE grantee text;
BEGIN
  FOR grantee IN
    SELECT DISTINCT CASE acl.grantee WHEN 0 THEN 'PUBLIC' ELSE acl.grantee::regrole::text END
    FROM pg_class, aclexplode(relacl) AS acl
    WHERE pg_class.oid IN ('audit_events'::regclass, 'audit_checkpoints'::regclass)
      AND acl.grantee <> relowner
  LOOP
    EXECUTE 'REVOKE UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER
      ON audit_events, audit_checkpoints FROM ' || grantee;
    EXECUTE 'REVOKE ALL ON SEQUENCE audit_events_seq_seq FROM ' || grantee;
  END LOOP;
END $$;
