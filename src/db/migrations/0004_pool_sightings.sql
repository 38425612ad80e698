CREATE TABLE "pool_sightings" (
	"registration_id" uuid PRIMARY KEY NOT NULL,
	"compared_at" timestamp (3) with time zone NOT NULL
);
