#!/usr/bin/env bash
# Builds replacements for python:3.11-slim-bookworm and python:3.11-bookworm, for machines that reach no image registry:
# sentiment-worker/python:3.11, a minimal Debian with its Python, from this machine's own package mirror, and
# sentiment-worker/python:3.11-build, the same with a C++ compiler.
# Skips an image that exists and whose inputs have not changed.
set -euo pipefail
cd "$(dirname "$0")"
. ../debian.sh

inputs=(build-base.sh ../debian.sh)

build() ( # image $1 with the packages $2
  image=$1
  skip_if_built
  unpack_debian "$2"
  import_image --change 'CMD ["python3"]'
)

build sentiment-worker/python:3.11 ca-certificates,python3-venv
build sentiment-worker/python:3.11-build ca-certificates,python3-venv,g++
