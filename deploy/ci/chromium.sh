#!/usr/bin/env bash
# Sees to it that there is a `chromium`: on a Debian machine that has none, and as root, it is installed.
set -euo pipefail
cd "$(dirname "$0")/../.."

command -v chromium >/dev/null && exit
mkdir -p var
{ timeout 300 apt-get update && timeout 300 apt-get install --yes --no-install-recommends chromium; } \
  >var/chromium.log 2>&1 || { echo "chromium.sh: no Chromium; the log ends:" >&2 && tail -n 5 var/chromium.log >&2 && exit 1; }
