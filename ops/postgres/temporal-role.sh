#!/bin/sh
# Runs once, when PostgreSQL's data is made: Temporal has a role of its own, which makes its own two databases.
set -eu
psql --username "$POSTGRES_USER" --dbname postgres --set ON_ERROR_STOP=1 \
  --set password="$TEMPORAL_DATABASE_PASSWORD" <<'SQL'
CREATE ROLE temporal LOGIN CREATEDB PASSWORD :'password';
SQL
