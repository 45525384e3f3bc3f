#!/bin/sh
# Starts Kafka from KAFKA_* variables, with the rules of the apache/kafka image: KAFKA_NODE_ID=1 becomes node.id=1; two
# underscores become one, and three become a dash.
set -eu

home=/opt/kafka
config=/tmp/server.properties

env | awk -F= '
  /^KAFKA_/ && $1 !~ /_OPTS$|^KAFKA_VERSION$/ {
    name = tolower(substr($1, 7))
    gsub("___", "-", name)
    gsub("__", "\001", name)
    gsub("_", ".", name)
    gsub("\001", "_", name)
    print name substr($0, length($1) + 1)
  }' > "$config"

kafka() {
  # The options are lists of words.
  # shellcheck disable=SC2086
  exec java ${KAFKA_HEAP_OPTS:--Xmx1g} ${KAFKA_JVM_PERFORMANCE_OPTS:-} ${KAFKA_OPTS:-} \
    -Dlog4j2.configurationFile="$home/log4j2.properties" -cp "$home/libs/*" "$@"
}

(kafka kafka.tools.StorageTool format --ignore-formatted -t "${CLUSTER_ID:-c2VudGltZW50LXdvcmtlcg}" -c "$config")
kafka kafka.Kafka "$config" # replaces this shell, so that Docker's signals reach the broker
