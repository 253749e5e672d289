#!/bin/sh
# A one-shot after Temporal's server is up: the namespace, and what donations are found by.
set -eu
: "${TEMPORAL_ADDRESS:?}" "${TEMPORAL_NAMESPACE:?}"
export TEMPORAL_ADDRESS

tries=0
until temporal operator cluster health >/dev/null 2>&1; do
  tries=$((tries + 1))
  [ "$tries" -lt 60 ] || { echo 'Temporal does not answer' >&2; exit 1; }
  sleep 1
done
temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE" >/dev/null 2>&1 ||
  temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE" --retention 3d

# The server's parts learn of a new namespace with a delay.
tries=0
until known=$(temporal operator search-attribute list --namespace "$TEMPORAL_NAMESPACE" 2>/dev/null); do
  tries=$((tries + 1))
  [ "$tries" -lt 60 ] || { echo "the namespace $TEMPORAL_NAMESPACE did not appear" >&2; exit 1; }
  sleep 1
done
# As platform/search-attributes.ts has them.
for attribute in CampaignId=Keyword IdempotencyKeyHash=Keyword AmountMinor=Int Currency=Keyword NeedsAttention=Bool; do
  name="${attribute%=*}"
  echo "$known" | grep -qw "$name" ||
    temporal operator search-attribute create --namespace "$TEMPORAL_NAMESPACE" --name "$name" --type "${attribute#*=}"
done
echo "namespace $TEMPORAL_NAMESPACE ready"
