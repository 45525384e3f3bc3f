#!/usr/bin/env bash
# Publishes reviews from standard input, one JSON object a line. Before Kafka 4.2 --reader-property is --property.
set -euo pipefail

jq -r '"\(.review_id)\t\(tojson)"' |
  kafka-console-producer.sh --bootstrap-server "${SENTIMENT_BOOTSTRAP_SERVERS:-localhost:9092}" \
    --topic "${SENTIMENT_INPUT_TOPIC:-reviews.raw}" --reader-property parse.key=true
