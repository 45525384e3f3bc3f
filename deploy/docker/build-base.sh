#!/usr/bin/env bash
# Builds sentiment-worker/python:3.11, a stand-in for python:3.11-slim-bookworm where no image registry can be reached:
# a minimal Debian from this machine's own package mirror, with its Python.
# Does nothing when the image is there and nothing that it is made of has changed.
set -euo pipefail
cd "$(dirname "$0")"
. ../debian.sh

image=sentiment-worker/python:3.11
inputs=(build-base.sh ../debian.sh)

skip_if_built
unpack_debian ca-certificates,python3-venv
import_image --change 'CMD ["python3"]'
