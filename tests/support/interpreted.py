"""Whether Triton's kernels run as Python here: what tests of them need where there is no GPU."""

import os
from importlib.util import find_spec

import pytest

needs_kernels = pytest.mark.skipif(
    os.environ.get("TRITON_INTERPRET") != "1" or find_spec("triton") is None,
    reason="kernels run as Python with TRITON_INTERPRET=1, where Triton is; on GPUs: tests/gpu/test_kernels.py",
)
