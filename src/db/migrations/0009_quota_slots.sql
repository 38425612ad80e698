CREATE UNLOGGED TABLE "quota_slots" (
	"quota" text PRIMARY KEY NOT NULL,
	"queue_ends_at" timestamp with time zone NOT NULL,
	"next_call_at" timestamp with time zone NOT NULL
);
