#!/usr/bin/env bash
# Makes a base image where no registry can be reached: Debian with its Python, by debootstrap.
#
#   ENGINE=podman base.sh NAME
set -euo pipefail
if [[ $(id -u) != 0 ]]; then
  echo "Making a base image takes root; or set BASE to an image with Python 3.11." >&2
  exit 1
fi
if ! command -v debootstrap >/dev/null; then
  echo "Installing debootstrap."
  apt-get update -qq
  apt-get install -qq --no-install-recommends debootstrap
fi

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
debootstrap --variant=minbase --include=ca-certificates,python3,python3-venv bookworm "$root"

# Whomever this machine trusts (a company's proxy, say), pip has to trust during the build as well.
bundle=etc/ssl/certs/ca-certificates.crt
cp "${SSL_CERT_FILE:-/$bundle}" "$root/$bundle"
printf '[global]\ncert = /%s\n' "$bundle" >"$root/etc/pip.conf"

tar -C "$root" --exclude=./var/cache/apt --exclude=./var/lib/apt/lists -c . | "$ENGINE" import - "$1"
