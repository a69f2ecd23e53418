"""vlatui.sites.connection: one process that serves, and what it says when it cannot."""

import pytest
from vlatui.sites.connection import Connection, Unreachable

LATE_WORDS = '(sleep 0.3; echo "ssh: connect to host gpubox port 22: Connection refused" >&2) >&- & exit 255'


def test_words_that_come_after_the_end_still_say_why_there_is_no_connection() -> None:
    connection = Connection("ada@gpubox", ("sh", "-c", LATE_WORDS))
    with pytest.raises(Unreachable, match="ada@gpubox: ssh: connect to host gpubox port 22: Connection refused"):
        connection.hello()
    connection.close()
