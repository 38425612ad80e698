DROP INDEX "outbox_deliveries_due";--> statement-breakpoint
ALTER TABLE "outbox_deliveries" ADD COLUMN "given_up_at" timestamp (3) with time zone;--> statement-breakpoint
CREATE INDEX "outbox_events" ON "outbox" USING btree ("occurred_at","id") WHERE kind <> 'invitation';--> statement-breakpoint
CREATE INDEX "outbox_deliveries_due" ON "outbox_deliveries" USING btree ("destination","next_attempt_at") WHERE delivered_at IS NULL AND given_up_at IS NULL;