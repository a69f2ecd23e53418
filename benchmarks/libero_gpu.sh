#!/usr/bin/env bash
# On a GPU machine without a network: LIBERO from a carried folder, demonstrations by many experts, and how fast it was.
#
#   benchmarks/libero_gpu.sh [EPISODES] [WORKERS] [OUT]       100 episodes, 16 workers, into .demos
#
# Carried: .libero-gpu (its setup.sh unpacks a simulator that draws on the card) and .whl (wheels of what the machine's
# Python lacks: msgspec, gymnasium, google-crc32c). Extra words for `vlad demos` come from DEMOS, e.g. DEMOS="--shaky".
set -euo pipefail
cd "$(dirname "$0")/.."
episodes=${1:-100} workers=${2:-16} out=${3:-.demos}
packages=$(mktemp -d)
python3 -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --upgrade --target "$packages" .whl/*.whl
set +u
# shellcheck source=/dev/null
source .libero-gpu/setup.sh
set -u
export PYTHONPATH=$PWD/supervisor:$PWD/trainer:$packages:$PYTHONPATH PYTHONUNBUFFERED=1
python3 trainer/vlatrain/sim/libero_boot.py --check | head -c 300
echo
begun=$(date +%s)
# shellcheck disable=SC2086
python3 -m vlatrain.tools demos --suite libero_spatial --episodes "$episodes" --workers "$workers" --out "$out" ${DEMOS:-}
took=$(($(date +%s) - begun))
echo "$episodes episodes in $took s with $workers workers: $((episodes * 3600 / (took + 1))) an hour, start-up included"
du -sh "$out"
python3 benchmarks/libero_throughput.py --workers "$workers" --episodes $((3 * workers)) --steps 60
