#!/usr/bin/env bash
# `commands.sh kcat jq` makes sure that these commands exist. If one is missing, it installs the Debian packages of the
# same names. Needs root for that.
set -euo pipefail
cd "$(dirname "$0")/../.."

command -v "$@" | wc -l | grep -qx "$#" && exit
mkdir -p var
log=var/$1.log
{ timeout 300 apt-get update && timeout 300 apt-get install --yes --no-install-recommends "$@"; } >"$log" 2>&1 ||
  { echo "commands.sh: no $*; the log ends:" >&2 && tail -n 5 "$log" >&2 && exit 1; }
