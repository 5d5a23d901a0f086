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

sed "s|locks/serve.txt|locks/$lock.txt|" bentofile.yaml >"$work/bentofile.yaml"
"$bentoml" build --bentofile "$work/bentofile.yaml" --version "${bento#*:}" --output tag

# BentoML copies our Dockerfile to TMPDIR and then refuses to read it unless that is below the current
# directory: https://github.com/bentoml/BentoML/issues/5566
cd "$work"
export TMPDIR=$work
# The OCI format, which BentoML asks podman for, has no HEALTHCHECK.
export BUILDAH_FORMAT=docker
"$bentoml" containerize "$bento" --backend "$ENGINE" --image-tag "${IMAGE:-glimpse:$tag}" \
  ${BASE:+--opt "build-arg=BASE=$BASE"}
