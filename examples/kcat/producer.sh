#!/usr/bin/env bash
# Publishes reviews from standard input, one JSON object a line.
set -euo pipefail

# murmur2 places a key where the clients of Java and Python do; kcat's own choice is another.
jq -r '"\(.review_id)\t\(tojson)"' |
  kcat -P -b "${SENTIMENT_BOOTSTRAP_SERVERS:-localhost:9092}" -t "${SENTIMENT_INPUT_TOPIC:-reviews.raw}" -K '\t' \
    -X acks=all -X enable.idempotence=true -X partitioner=murmur2_random
