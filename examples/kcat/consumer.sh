#!/usr/bin/env bash
# Prints scored reviews as they come: consumer.sh [COUNT] ends after so many.
# It commits by time, so a crash may repeat results or, once they are in the pipe, lose some: to look at, not to build on.
set -euo pipefail

kcat -b "${SENTIMENT_BOOTSTRAP_SERVERS:-localhost:9092}" -G "${CONSUMER_GROUP:-examples}" ${1:+-c "$1"} -u -q \
  -X auto.offset.reset=earliest -X isolation.level=read_committed "${SENTIMENT_OUTPUT_TOPIC:-reviews.scored}" |
  jq -r --unbuffered '[.review_id, .sentiment, .score] | @tsv'
