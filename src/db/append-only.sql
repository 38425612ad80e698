--> statement-breakpoint
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
