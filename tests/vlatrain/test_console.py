"""vlatrain.console: what ranks say into one log stays in lines."""

import os
import subprocess
import sys

SAYS = "import sys; from vlatrain.console import say; say('one'); say('two', sys.stderr)"


def test_a_line_is_one_write_also_where_nothing_is_buffered() -> None:
    """A pipe in packet mode gives each write for itself."""
    reads, writes = os.pipe2(os.O_DIRECT)
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    subprocess.run([sys.executable, "-c", SAYS], stdout=writes, stderr=writes, env=environment, check=True)
    os.close(writes)
    assert list(iter(lambda: os.read(reads, 4096), b"")) == [b"one\n", b"two\n"]
    os.close(reads)
