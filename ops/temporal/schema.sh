#!/bin/sh
# A one-shot before Temporal's server: its two databases, made or brought up to this version. SQL_PASSWORD is the tool's own.
set -eu
: "${POSTGRES_SEEDS:?}" "${SQL_PASSWORD:?}"
schema="${TEMPORAL_SCHEMA:-/etc/temporal/schema/postgresql/v12}"
for name in temporal visibility; do
  database=temporal
  [ "$name" = temporal ] || database="temporal_$name"
  sql() {
    temporal-sql-tool --plugin postgres12 --ep "$POSTGRES_SEEDS" --port "${DB_PORT:-5432}" \
      --user "${POSTGRES_USER:-temporal}" --db "$database" "$@"
  }
  # Each does nothing where it was done before; only the last must succeed.
  sql create || true
  sql setup-schema -v 0.0 || true
  sql update-schema --schema-dir "$schema/$name/versioned"
done
