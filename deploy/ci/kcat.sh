#!/usr/bin/env bash
# Sees to it that there are `kcat` and `jq`: on a Debian machine that lacks one, and as root, they are installed.
set -euo pipefail
cd "$(dirname "$0")/../.."

command -v kcat >/dev/null && command -v jq >/dev/null && exit
mkdir -p var
{ timeout 300 apt-get update && timeout 300 apt-get install --yes --no-install-recommends kcat jq; } \
  >var/kcat.log 2>&1 || { echo "kcat.sh: no kcat; the log ends:" >&2 && tail -n 5 var/kcat.log >&2 && exit 1; }
