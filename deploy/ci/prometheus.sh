#!/usr/bin/env bash
# Prints the folder of `prometheus` and `promtool`. If they are missing, fetches them on a Debian machine, as root.
# Debian's package is only unpacked, because installing it would start a server.
set -euo pipefail
cd "$(dirname "$0")/../.."

folder=$PWD/var/prometheus

if found=$(command -v promtool) && command -v prometheus >/dev/null; then
  dirname "$found"
elif [ -x "$folder/usr/bin/promtool" ]; then
  echo "$folder/usr/bin"
else
  mkdir -p "$folder"
  cd "$folder"
  { timeout 300 apt-get update && timeout 300 apt-get download prometheus && dpkg-deb -x prometheus_*.deb .; } \
    >apt.log 2>&1 || { echo "prometheus.sh: no Prometheus; the log ends:" >&2 && tail -n 5 apt.log >&2 && exit 1; }
  echo "$folder/usr/bin"
fi
