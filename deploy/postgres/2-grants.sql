-- PostgreSQL 14 lets every role create tables in this schema.
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO registrar_owner;
-- `/health/ready` reads in it which migrations were applied.
CREATE SCHEMA IF NOT EXISTS drizzle AUTHORIZATION registrar_owner;
GRANT USAGE ON SCHEMA public, drizzle TO registrar_app;
-- For the tables that `npm run migrate` creates, now and in later versions.
ALTER DEFAULT PRIVILEGES FOR ROLE registrar_owner IN SCHEMA drizzle
  GRANT SELECT ON TABLES TO registrar_app;
ALTER DEFAULT PRIVILEGES FOR ROLE registrar_owner IN SCHEMA public
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO registrar_app;
ALTER DEFAULT PRIVILEGES FOR ROLE registrar_owner IN SCHEMA public
  GRANT SELECT, UPDATE ON SEQUENCES TO registrar_app;
