#!/usr/bin/env bash
# Makes a base image where no registry can be reached: Debian with its Python, by mmdebstrap.
#
#   ENGINE=podman base.sh NAME
set -euo pipefail
if [[ $(id -u) != 0 ]]; then
  echo "Making a base image takes root; or set BASE to an image with Python 3.11." >&2
  exit 1
fi
if ! command -v mmdebstrap >/dev/null; then
  echo "Installing mmdebstrap."
  apt-get update -qq
  apt-get install -qq --no-install-recommends mmdebstrap
fi

# In memory where that may be mounted: dpkg waits for the disk after each of ten thousand files.
TMPDIR=$(mktemp -d)
export TMPDIR
trap 'umount --lazy "$TMPDIR" 2>/dev/null; rm -rf "$TMPDIR"' EXIT
mount -t tmpfs -o size=1g,mode=1777 tmpfs "$TMPDIR" 2>/dev/null || echo "Nothing may be mounted here; making it on disk."

# Whomever this machine trusts (a company's proxy, say), pip has to trust during the build as well.
bundle=etc/ssl/certs/ca-certificates.crt
mmdebstrap --mode=root --variant=minbase --include=ca-certificates,python3,python3-venv --format=tar \
  --customize-hook="upload '${SSL_CERT_FILE:-/$bundle}' '/$bundle'" \
  --customize-hook="printf '[global]\ncert = /$bundle\n' >\"\$1/etc/pip.conf\"" \
  bookworm - | "$ENGINE" import - "$1"
