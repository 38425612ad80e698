#!/bin/sh
# Makes Temporal's two databases and brings their schema up to this version. Repeatable: what is
# there is left alone. SQL_HOST, SQL_PORT, SQL_USER, SQL_PASSWORD and SQL_PLUGIN say where.
set -eu
schema=${TEMPORAL_SCHEMA:-/etc/temporal/schema}/postgresql/v12
for database in temporal visibility; do
  name=$database
  if [ "$database" = visibility ]; then name=temporal_visibility; fi
  temporal-sql-tool --database "$name" create-database
  temporal-sql-tool --database "$name" setup-schema --version 0.0
  temporal-sql-tool --database "$name" update-schema --schema-dir "$schema/$database/versioned"
done
