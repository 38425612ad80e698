ALTER TABLE "registrations" ADD COLUMN "sealed_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "registrations" ADD COLUMN "sealed_password" "bytea";--> statement-breakpoint
ALTER TABLE "registrations" ADD COLUMN "password_set_at" timestamp (3) with time zone;--> statement-breakpoint
CREATE INDEX "registrations_sealed" ON "registrations" USING btree ("sealed_at") WHERE sealed_password IS NOT NULL;--> statement-breakpoint
ALTER TABLE "registrations" ADD CONSTRAINT "registrations_seal_in_use" CHECK (sealed_password IS NULL
  OR (password_set_at IS NULL AND status IN ('accepted', 'running', 'roles_pending')));--> statement-breakpoint
ALTER TABLE "registrations" ADD CONSTRAINT "registrations_password_set" CHECK (status <> 'completed' OR sealed_at IS NULL OR password_set_at IS NOT NULL);