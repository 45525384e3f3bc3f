#!/usr/bin/env bash
# Builds sentiment-worker/kafka:4.3.0, a stand-in for apache/kafka:4.3.0 where no image registry can be reached:
# a minimal Debian from this machine's own package mirror, a Java runtime, and Kafka's jars from Maven.
# Does nothing when the image is there and nothing that it is made of has changed.
set -euo pipefail
cd "$(dirname "$0")"

image=sentiment-worker/kafka:4.3.0
suite=bookworm # has Java 17, which Kafka 4 needs
inputs=(pom.xml log4j2.properties image/entrypoint.sh build-image.sh)

fail() {
  echo "build-image.sh: $*" >&2
  exit 1
}

digest=$(cat "${inputs[@]}" | sha256sum | cut -c1-16)
docker version >/dev/null 2>&1 || fail "no Docker daemon answers: start one (deploy/ci/docker.sh start, as root)"
if [ "$(docker image inspect --format '{{ index .Config.Labels "inputs" }}' "$image" 2>/dev/null)" = "$digest" ]; then
  echo "$image is there and up to date"
  exit 0
fi

[ "$(id -u)" = 0 ] || fail "a Debian can be unpacked by root only: run this as root"
missing=()
for program in debootstrap mvn; do
  command -v "$program" >/dev/null || missing+=("$program")
done
[ ${#missing[@]} = 0 ] || fail "missing: ${missing[*]} (Debian packages debootstrap, maven)"
# Read from the machine and handed on, never written down: which mirror is near is the machine's business.
# shellcheck disable=SC2016  # apt-get fills these in
mirror=$(apt-get indextargets --format '$(ORIGIN) $(CODENAME) $(REPO_URI)' |
  awk -v suite="$suite" '$1 == "Debian" && $2 == suite && !found++ { print $3 }')
[ -n "$mirror" ] || fail "the package sources of this machine have no Debian $suite (run apt-get update, on a Debian)"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root

echo "building $image: Debian $suite with Java, about a minute"
debootstrap --variant=minbase --include=openjdk-17-jre-headless "$suite" "$root" "$mirror" >"$work/log" 2>&1 ||
  fail "debootstrap failed; its log ends:
$(tail -n 15 "$work/log")"
rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/etc/apt/sources.list "$root"/usr/share/{doc,man,locale}

mvn -B -q -f pom.xml dependency:copy-dependencies -DincludeScope=runtime \
  -DoutputDirectory="$root/opt/kafka/libs" >"$work/log" 2>&1 || fail "Maven failed; it said:
$(tail -n 15 "$work/log")"
cp log4j2.properties "$root/opt/kafka/"
install -m 755 image/entrypoint.sh "$root/entrypoint.sh"

tar -C "$root" --one-file-system -c . | docker import \
  --change "LABEL inputs=$digest" --change 'USER nobody' --change 'ENTRYPOINT ["/entrypoint.sh"]' - "$image" >/dev/null
echo "built $image"
