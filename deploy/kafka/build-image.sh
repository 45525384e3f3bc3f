#!/usr/bin/env bash
# Builds sentiment-worker/kafka:4.3.0, a replacement for apache/kafka:4.3.0 on machines that reach no image registry:
# a minimal Debian from this machine's own package mirror, a Java runtime, and Kafka's jars from Maven.
# Skips an image that exists and whose inputs have not changed.
set -euo pipefail
cd "$(dirname "$0")"
. ../debian.sh

image=sentiment-worker/kafka:4.3.0
inputs=(pom.xml log4j2.properties image/entrypoint.sh build-image.sh ../debian.sh)

skip_if_built
need mvn
unpack_debian openjdk-17-jre-headless

mvn -B -q -f pom.xml dependency:copy-dependencies -DincludeScope=runtime \
  -DoutputDirectory="$root/opt/kafka/libs" >"$work/log" 2>&1 || fail "Maven failed; it said:
$(tail -n 15 "$work/log")"
cp log4j2.properties "$root/opt/kafka/"
install -m 755 image/entrypoint.sh "$root/entrypoint.sh"

import_image --change 'USER nobody' --change 'ENTRYPOINT ["/entrypoint.sh"]'
