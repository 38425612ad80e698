ALTER TABLE "registrations" ADD COLUMN "run_id" text;--> statement-breakpoint
ALTER TABLE "registrations" ADD COLUMN "unrecorded_events" text[] DEFAULT '{}' NOT NULL;--> statement-breakpoint
CREATE INDEX "registrations_unrecorded" ON "registrations" USING btree ("id") WHERE unrecorded_events <> '{}';