#!/usr/bin/env bash
# Docker for a CI machine that has none: run `docker.sh start` before the tests and `docker.sh stop` after them.
# start: if no daemon answers, installs one (Debian packages, as root) and starts it; then provides the images of Kafka
# and Python.
# stop: ends the daemon that start has started, and no other.
set -euo pipefail
cd "$(dirname "$0")/../.."

state=$PWD/var/docker
pid_file=$state/dockerd.pid

say() { echo "docker.sh: $*"; }

fail() {
  say "no Docker: $1"
  [ -f "${2:-}" ] && tail -n 15 "$2"
  exit 1
}

answers() { docker version >/dev/null 2>&1; }

install_packages() { # install the missing ones of "$@"
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok installed$' || missing+=("$package")
  done
  [ ${#missing[@]} = 0 ] && return
  command -v apt-get >/dev/null || fail "${missing[*]} missing, and there is no apt-get to install them"
  say "installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  { timeout 300 apt-get update && timeout 600 apt-get install -y --no-install-recommends "${missing[@]}"; } \
    >"$state/apt.log" 2>&1 || fail "apt-get could not install ${missing[*]}; its log ends:" "$state/apt.log"
}

start_daemon() {
  install_packages docker.io docker-compose iptables
  answers && return # the package itself may have started it
  say "starting dockerd"
  setsid dockerd --pidfile "$pid_file" </dev/null >"$state/dockerd.log" 2>&1 &
  local daemon=$!
  for _ in $(seq 60); do
    answers && return
    kill -0 "$daemon" 2>/dev/null || break
    sleep 0.5
  done
  stop
  fail "dockerd does not answer; its log ends:" "$state/dockerd.log"
}

provide_images() { # pull the images "${@:2}", or build their replacements with the script $1
  local image
  for image in "${@:2}"; do
    docker image inspect "$image" >/dev/null 2>&1 && continue
    timeout 240 docker pull --quiet "$image" >/dev/null 2>&1 && continue
    say "$image cannot be pulled"
    install_packages debootstrap
    "$1"
    return
  done
}

start() {
  mkdir -p "$state"
  if answers; then
    say "a Docker daemon answers already"
  else
    [ "$(id -u)" = 0 ] || fail "no daemon answers, and only root can start one"
    start_daemon
  fi
  provide_images deploy/kafka/build-image.sh apache/kafka:4.3.0
  provide_images deploy/docker/build-base.sh python:3.11-slim-bookworm python:3.11-bookworm ||
    say "the worker's image cannot be built"
}

stop() {
  local pid
  pid=$(cat "$pid_file" 2>/dev/null) || return 0
  [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = dockerd ] || return 0
  say "stopping dockerd, pid $pid"
  kill "$pid"
  for _ in $(seq 60); do
    [ -d "/proc/$pid" ] || return 0
    sleep 0.5
  done
  say "dockerd does not stop: killing it"
  kill -KILL "$pid"
}

case ${1:-} in
  start | stop) "$1" ;;
  *)
    echo "usage: docker.sh start|stop" >&2
    exit 2
    ;;
esac
