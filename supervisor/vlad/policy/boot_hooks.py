"""What a host must be told so that runs go on after it was restarted: crontab, systemd user unit, container. Pure."""

import shlex
from collections.abc import Sequence
from enum import StrEnum

MARK = "# vlad: goes on with interrupted runs"
UNIT_NAME = "vlad-recover.service"


class Hook(StrEnum):
    """Who calls `vlad recover` when the host comes up."""

    CRON = "cron"
    SYSTEMD = "systemd"
    CONTAINER = "container"


def crontab_line(recover: Sequence[str], home: str) -> str:
    """One line; cron takes % for a line break, so it is escaped."""
    command = shlex.join(["env", f"VLAD_HOME={home}", *recover]).replace("%", "\\%")
    return f"@reboot {command} {MARK}\n"


def with_line(crontab: str, line: str) -> str:
    """The crontab with this line instead of an older one of ours; all else stays as it is."""
    kept = [one for one in crontab.splitlines() if not one.rstrip().endswith(MARK)]
    return "".join(f"{one}\n" for one in kept) + line


def systemd_unit(recover: Sequence[str], home: str) -> str:
    """A user unit that stays active: systemd would end the runs together with a unit that is done.

    KillMode=process leaves them alone when it is stopped.
    """
    words = " ".join(_systemd_word(word) for word in recover)
    return f"""\
[Unit]
Description=Go on with training runs that a restart of this host interrupted

[Service]
Type=oneshot
RemainAfterExit=yes
KillMode=process
Environment={_systemd_word(f"VLAD_HOME={home}")}
ExecStart={words}

[Install]
WantedBy=default.target
"""


def container_entrypoint(recover: Sequence[str], home: str) -> str:
    """A container has a new name after it was lost: runs of any name in this home were its own."""
    return f"""\
#!/bin/sh
# {home} must be on a volume that outlives the container; run it with an init that reaps (docker run --init).
export VLAD_HOME={shlex.quote(home)}
{shlex.join([*recover, "--any-host"])}
exec "$@"
"""


def _systemd_word(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'
