#!/usr/bin/env bash
# Learns a LIBERO suite from nothing through the product, whole: demonstrations, a fresh small model, training under vlad
# with periodic evaluation and early stop, and an evaluation of the best checkpoint.
#
#   benchmarks/libero_learn.sh CONFIG OUT [--field value ...]      EPISODES=400 TRIALS=10 FRESH="--wrist --proprio"
#
# On a GPU machine without a network, .libero-gpu (a simulator that draws on the card) and .whl are unpacked first.
# What is there already is kept: demonstrations, the fresh model, and the run, which goes on from its last checkpoint.
set -euo pipefail
cd "$(dirname "$0")/.."
config=$1 out=$2
shift 2
suite=${SUITE:-libero_spatial} episodes=${EPISODES:-400} trials=${TRIALS:-10} fresh=${FRESH---wrist --proprio}
python=${PYTHON:-python3}
if [ -d .libero-gpu ] && [ -z "${VLAD_SIM_PYTHON:-}" ]; then
  packages=/tmp/vlad-packages
  [ -d $packages ] || python3 -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --target $packages .whl/*.whl
  export PYTHONPATH=$PWD/supervisor:$PWD/trainer:$packages
  set +u
  # shellcheck source=/dev/null
  SITE=/tmp/libero-site && mkdir -p $SITE && source .libero-gpu/setup.sh
  set -u
  unset OMP_NUM_THREADS
  VLAD_SIM_PYTHON=$(command -v python3)
  export VLAD_SIM_PYTHON
fi
export VLAD_HOME=${VLAD_HOME:-$out/home} PYTHONUNBUFFERED=1
vlad() { "$python" -c 'from vlad.cli import main; main()' "$@"; }
told() { echo "== $1: $(($(date +%s) - begun)) s"; }
begun=$(date +%s)
mkdir -p "$out"
name=$("$python" -c 'import sys, yaml; print(yaml.safe_load(open(sys.argv[1]))["vla_path"])' "$config")
if [ ! -d "$out/datasets/${suite}_no_noops" ]; then
  # shellcheck disable=SC2086
  vlad demos --suite "$suite" --episodes "$episodes" --out "$out/datasets" --shaky --shards 8 ${DEMOS:-} 2>&1 | tail -15
fi
told demonstrations
if [ ! -d "$out/$name" ]; then
  mkdir -p "$(dirname "$out/$name")"
  # shellcheck disable=SC2086
  "$python" -m vlatrain.tools fresh --data "$out/datasets/${suite}_no_noops" --out "$out/$name" $fresh ${MODEL:-}
fi
told "fresh model"
status=0
if vlad ls --json 2> /dev/null | grep -q learn; then
  vlad resume learn --follow || status=$?
else
  vlad start --config "$config" --project-root "$out" --name learn "$@" --follow || status=$?
fi
told "training (exit status $status)"
vlad show learn || true
[ "$trials" = 0 ] || vlad eval learn --trials "$trials" --result "$out/result.json"
told evaluation
