#!/usr/bin/env bash
# Learns a LIBERO suite from nothing through the product, whole: demonstrations, a fresh small model, training under vlad
# with evaluation and early stop, and an evaluation of the best checkpoint.
#
#   benchmarks/libero_learn.sh CONFIG OUT [--set field=value ...]
#
#   EPISODES=400 TRIALS=20    demonstrations; episodes of each task in the evaluation at the end (0: none)
#   FRESH="--wrist --proprio --chunk 8 --stem conv"   what the fresh model is made for; "--chunk 8 --stem conv" for the
#                             published inputs
#   LIMIT_S=570               as many steps as fit into so many seconds, of which START_S=40 are left for loading and
#                             compiling and EVAL_S=80 for one evaluation at the end
#   PACK=DIR                  afterwards: journals, and the last checkpoint in half precision in parts of 15 MB
#
# On a GPU machine without a network, .libero-gpu (a simulator that draws on the card) and .whl are unpacked first.
# What is there already is kept: demonstrations, the fresh model, and the run, which goes on from its last checkpoint.
set -euo pipefail
cd "$(dirname "$0")/.."
begun=$(date +%s)
config=$1 out=$2
shift 2
suite=${SUITE:-libero_spatial} episodes=${EPISODES:-400} trials=${TRIALS:-20} fresh=${FRESH---wrist --proprio --chunk 8 --stem conv}
python=${PYTHON:-python3}
told() { echo "== $(($(date +%s) - begun)) s: $1"; }
# shellcheck source=/dev/null
source benchmarks/libero_environment.sh
export VLAD_HOME=${VLAD_HOME:-$out/home}
vlad() { "$python" -c 'from vlad.cli import main; main()' "$@"; }
tools() { "$python" -m vlatrain.tools "$@"; }
mkdir -p "$out"
name=$("$python" -c 'import sys, yaml; print(yaml.safe_load(open(sys.argv[1]))["vla_path"])' "$config")
data=$out/datasets/${suite}_no_noops
if [ ! -d "$data" ]; then
  # shellcheck disable=SC2086
  tools demos --suite "$suite" --episodes "$episodes" --out "$out/datasets" --shaky --shards 8 ${DEMOS:-} > "$out/demos.log" 2>&1 ||
    { tail -n 3 "$out/demos.log"; exit 1; }
  tail -n 12 "$out/demos.log"
fi
told "demonstrations"
if [ -n "${LIMIT_S:-}" ]; then # when nothing renders: beside the simulators a step takes several times as long
  # shellcheck disable=SC2086
  pace=$("$python" benchmarks/libero_pace.py "$config" --fresh "$fresh" -- "$@")
  told "a step takes $pace s"
fi
# shellcheck disable=SC2086
[ -d "$out/$name" ] || { mkdir -p "$(dirname "$out/$name")" && tools fresh --data "$data" --out "$out/$name" $fresh; }
if [ -n "${LIMIT_S:-}" ]; then
  left=$((LIMIT_S - ($(date +%s) - begun) - ${START_S:-40} - ${EVAL_S:-80}))
  steps=$("$python" -c 'import sys; print(max(500, int(float(sys.argv[1]) / float(sys.argv[2]) * 0.95)))' "$left" "$pace")
  told "$steps steps fit into $left s"
  set -- "$@" --set "max_steps=$steps" --set "save_steps=$steps" --set "eval_every_steps=$steps"
fi
status=0
if vlad ls --json 2> /dev/null | grep -q learn; then
  vlad resume learn --follow || status=$?
else
  vlad start --config "$config" --project-root "$out" --name learn "$@" --follow || status=$?
fi
told "training ended with $status"
[ "$trials" = 0 ] || vlad eval learn --trials "$trials" --result "$out/result.json"
if [ -n "${PACK:-}" ]; then
  mkdir -p "$PACK"
  cp "$VLAD_HOME"/runs/*/{progress,evaluations}.jsonl "$PACK"
  "$python" benchmarks/half_precision.py "$(find "$out/adapter-tmp" -name 'step-*' | sort | tail -n 1)" "$out/half"
  tar -C "$out/half" -c . | split -b 15M - "$PACK/model.tar."
  told "packed"
fi
exit $status
