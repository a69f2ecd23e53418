# source this: on a GPU machine without a network, which has .libero-gpu (a simulator that draws on the card) and .whl
# beside the sources, unpacks both once and names them; elsewhere nothing. VLAD_SIM_PYTHON says that LIBERO is here.
if [ -d .libero-gpu ] && [ -z "${VLAD_SIM_PYTHON:-}" ]; then
  SITE=${SITE:-/tmp/libero-site}
  if [ ! -e "$SITE.ready" ]; then
    mkdir -p "$SITE"
    python3 -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --upgrade --target "$SITE-packages" .whl/*.whl
    set +u
    # shellcheck source=/dev/null
    source .libero-gpu/setup.sh
    set -u
    touch "$SITE.ready"
  fi
  for vendor in /usr/share/glvnd/egl_vendor.d/10_nvidia.json /etc/glvnd/egl_vendor.d/10_nvidia.json; do
    [ ! -e $vendor ] || export __EGL_VENDOR_LIBRARY_FILENAMES=$vendor
  done
  export PYTHONPATH=$PWD/supervisor:$PWD/trainer:$SITE-packages:$SITE MUJOCO_GL=egl PYOPENGL_PLATFORM=egl
  export LIBERO_CONFIG_PATH=$SITE/no-config OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 NUMBA_NUM_THREADS=1
  unset OMP_NUM_THREADS
  VLAD_SIM_PYTHON=$(command -v python3)
  export VLAD_SIM_PYTHON
fi
export PYTHONUNBUFFERED=1
