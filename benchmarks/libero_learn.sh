#!/usr/bin/env bash
# Learns a LIBERO suite from nothing through the product, whole: demonstrations, a fresh small model, training under vlad
# with evaluation and early stop, and an evaluation of the best checkpoint.
#
#   benchmarks/libero_learn.sh CONFIG OUT [--set field=value ...]
#
#   EPISODES=400 TRIALS=20    demonstrations; episodes of each task in the evaluation at the end (0: none)
#   FRESH="--wrist --proprio --chunk 8 --stem conv"   what the fresh model is made for; "--chunk 8 --stem conv" for the
#                             published inputs
#
# In calls of limited length: libero_campaign.py. On a GPU machine without a network see libero_environment.sh.
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
# shellcheck disable=SC2086
[ -d "$out/$name" ] || { mkdir -p "$(dirname "$out/$name")" && tools fresh --data "$data" --out "$out/$name" $fresh; }
status=0
if vlad ls --json 2> /dev/null | grep -q learn; then
  vlad resume learn --follow || status=$?
else
  vlad start --config "$config" --project-root "$out" --name learn "$@" --follow || status=$?
fi
told "training ended with $status"
[ "$trials" = 0 ] || vlad eval learn --trials "$trials" --result "$out/result.json"
exit $status
