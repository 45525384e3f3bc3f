#!/usr/bin/env bash
# Prints scored reviews as they come: consumer.sh [COUNT] ends after so many.
# It commits by time, so a crash may repeat results or, once they are in the pipe, lose some: to look at, not to build on.
set -euo pipefail

kafka-console-consumer.sh --bootstrap-server "${SENTIMENT_BOOTSTRAP_SERVERS:-localhost:9092}" \
  --topic "${SENTIMENT_OUTPUT_TOPIC:-reviews.scored}" --group "${CONSUMER_GROUP:-examples}" --from-beginning \
  --isolation-level read_committed ${1:+--max-messages "$1"} |
  jq -r --unbuffered '[.review_id, .sentiment, .score] | @tsv'
