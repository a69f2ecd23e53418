#!/usr/bin/env bash
# Stands in for the original launcher: prints its lines, of which a `tee` around it makes RUN_METHOD_RESUME_<n>.log.
# Usage: run_method_train.sh FOLDER EVALUATIONS END; END is wait (until a signal) or an exit code
set -euo pipefail
for step in $(seq 1 "$2"); do
  echo "[method] step ${step}000 lr 5e-05 loss 0.4$step sec/step 1.5 d 0.2 base 0.1 beta 0.8 gamma 0.5 g 2.1 scale 1.0"
  echo "[eval] step ${step}000 success_rate=$((80 / step)).00%"
done
setsid sleep 617 >"$1/rank.out" 2>&1 &  # a rank in a session of its own, as torchrun's are
echo $! >"$1/rank.pid"
if [[ $3 == wait ]]; then
  while :; do sleep 0.1; done
fi
kill %1
while [[ ! -e $1/go ]]; do sleep 0.05; done
exit "$3"
