#!/usr/bin/env bash
# `commands.sh kcat jq`: sees to it that there are these commands. On a Debian machine that lacks one, and as root, the
# packages of their names are installed.
set -euo pipefail
cd "$(dirname "$0")/../.."

command -v "$@" | wc -l | grep -qx "$#" && exit
mkdir -p var
log=var/$1.log
{ timeout 300 apt-get update && timeout 300 apt-get install --yes --no-install-recommends "$@"; } >"$log" 2>&1 ||
  { echo "commands.sh: no $*; the log ends:" >&2 && tail -n 5 "$log" >&2 && exit 1; }
