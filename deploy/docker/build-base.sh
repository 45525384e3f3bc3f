#!/usr/bin/env bash
# Builds stand-ins for python:3.11-slim-bookworm and python:3.11-bookworm where no image registry can be reached:
# sentiment-worker/python:3.11, a minimal Debian from this machine's own package mirror, with its Python, and
# sentiment-worker/python:3.11-build, the same with a C++ compiler.
# Does nothing when an image is there and nothing that it is made of has changed.
set -euo pipefail
cd "$(dirname "$0")"
. ../debian.sh

inputs=(build-base.sh ../debian.sh)

build() ( # the image $1 with the packages $2
  image=$1
  skip_if_built
  unpack_debian "$2"
  import_image --change 'CMD ["python3"]'
)

build sentiment-worker/python:3.11 ca-certificates,python3-venv
build sentiment-worker/python:3.11-build ca-certificates,python3-venv,g++
