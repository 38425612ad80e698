#!/bin/sh
# Makes the namespace where it is missing. TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE say which.
set -eu
# The port is open a moment before the server answers.
tries=0
until temporal operator cluster health >/dev/null 2>&1; do
  tries=$((tries + 1))
  if [ "$tries" -ge 60 ]; then
    echo "no healthy Temporal at $TEMPORAL_ADDRESS" >&2
    exit 1
  fi
  sleep 1
done
if temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE" >/dev/null 2>&1; then
  exit 0
fi
temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE" --retention 72h
