# Sourced by the scripts that build an image from this machine's own Debian mirror, because they reach no image registry.
# They set `image` and `inputs`, the files it is built from, and call `skip_if_built`, `unpack_debian`, `import_image`.
# shellcheck shell=bash

suite=bookworm # has Java 17, which Kafka 4 needs, and Python 3.11

fail() {
  echo "$(basename "$0"): $*" >&2
  exit 1
}

skip_if_built() {
  docker version >/dev/null 2>&1 || fail "no Docker daemon answers: start one (deploy/ci/docker.sh start, as root)"
  digest=$(cat "${inputs[@]}" | sha256sum | cut -c1-16)
  if [ "$(docker image inspect --format '{{ index .Config.Labels "inputs" }}' "$image" 2>/dev/null)" = "$digest" ]; then
    echo "$image exists and is up to date"
    exit 0
  fi
}

need() { # fail unless the programs "$@" are installed
  local missing=() program
  for program in "$@"; do
    command -v "$program" >/dev/null || missing+=("$program")
  done
  [ ${#missing[@]} = 0 ] || fail "missing: ${missing[*]} (Debian packages of the same names; maven for mvn)"
}

unpack_debian() { # unpack a minimal Debian with the packages "$1" (comma-separated) into $root, a new folder
  [ "$(id -u)" = 0 ] || fail "only root can unpack a Debian: run this as root"
  need debootstrap
  local mirror
  # Read from the machine's own package sources, because the nearest mirror differs from machine to machine.
  # shellcheck disable=SC2016  # apt-get expands these
  mirror=$(apt-get indextargets --format '$(ORIGIN) $(CODENAME) $(REPO_URI)' |
    awk -v suite="$suite" '$1 == "Debian" && $2 == suite && !found++ { print $3 }')
  [ -n "$mirror" ] || fail "the package sources of this machine have no Debian $suite (run apt-get update, on a Debian)"
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  root=$work/root
  echo "building $image: Debian $suite with ${1//,/, }, about a minute"
  debootstrap --variant=minbase --include="$1" "$suite" "$root" "$mirror" >"$work/log" 2>&1 ||
    fail "debootstrap failed; its log ends:
$(tail -n 15 "$work/log")"
  rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/etc/apt/sources.list "$root"/usr/share/{doc,man,locale}
}

import_image() { # import $root with the options "$@" of docker import
  tar -C "$root" --one-file-system -c . | docker import --change "LABEL inputs=$digest" "$@" - "$image" >/dev/null
  echo "built $image"
}
