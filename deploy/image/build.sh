#!/usr/bin/env bash
# Builds the container image: glimpse:latest, or glimpse:cuda with the CUDA libraries if CUDA is set.
#
# ENGINE  docker or podman; by default the first of them that answers
# BASE    another base image than the Dockerfile's
# IMAGE   another name than the above
set -euo pipefail
cd "$(dirname "$0")/../.."

find_engine() {
  for engine in docker podman; do
    if "$engine" info >/dev/null 2>&1; then
      echo "$engine"
      return
    fi
  done
  echo "Neither docker nor podman answers; install one of them and start it." >&2
  return 1
}

ENGINE=${ENGINE:-$(find_engine)}
if [[ -n ${CUDA:-} ]]; then lock=serve-cuda tag=cuda; else lock=serve tag=latest; fi

bentoml=$PWD/.venv/bin/bentoml
bento=glimpse:$(git describe --always --dirty 2>/dev/null || echo unversioned)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export BENTOML_HOME=$work BENTOML_DO_NOT_TRACK=True ORT_DISABLE_TELEMETRY=1

# From a copy: BentoML packs nothing below a folder whose name starts with a dot, wherever that is.
mkdir "$work/src"
cp -r service models deploy LICENSE README.md "$work/src"
sed "s|locks/serve.txt|locks/$lock.txt|" bentofile.yaml >"$work/src/bentofile.yaml"
(cd "$work/src" && "$bentoml" build --version "${bento#*:}" --output tag)

# BentoML copies our Dockerfile to TMPDIR and then refuses to read it unless that is below the current
# directory: https://github.com/bentoml/BentoML/issues/5566
cd "$work"
export TMPDIR=$work
# The OCI format, which BentoML asks podman for, has no HEALTHCHECK.
export BUILDAH_FORMAT=docker
"$bentoml" containerize "$bento" --backend "$ENGINE" --image-tag "${IMAGE:-glimpse:$tag}" \
  ${BASE:+--opt "build-arg=BASE=$BASE"}
