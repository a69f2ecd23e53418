"""Other hosts for tests: a command that stands in for ssh, and a real sshd on loopback."""

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

from patience import PATIENCE_S, until
from vlad.records.rundir import Home
from vlatui.sites.remote import RemoteSite
from vlatui.sites.ssh import Target, Way

STANDIN = """\
#!/bin/sh
# stands in for ssh: its last word goes to a shell, as on the other host
for word; do command=$word; done
if [ -e "{folder}/is_down" ]; then echo "ssh: connect to host gpubox port 22: Connection refused" >&2; exit 255; fi
echo "Welcome to gpubox!"
export VLAD_HOME="{home}"
exec sh -c "$command"
"""
SSHD = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/client_key.pub
PidFile {folder}/pid
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
SetEnv {variables}
"""


def vlad_script(folder: Path) -> Path:
    """A `vlad` that runs the sources under test."""
    script = folder / "vlad"
    script.write_text(f'#!/bin/sh\nPYTHONPATH="{os.pathsep.join(sys.path)}" exec {sys.executable} -m vlad.cli "$@"\n')
    script.chmod(0o700)
    return script


class StandInHost:
    """Another home of this host that is reached like another host."""

    def __init__(self, folder: Path, home: Home) -> None:
        self.folder = folder
        self.home = home
        folder.mkdir(exist_ok=True)
        self.ssh = folder / "ssh"
        self.ssh.write_text(STANDIN.format(folder=folder, home=home.path))
        self.ssh.chmod(0o700)
        self.vlad = vlad_script(folder)

    def way(self, **changes: object) -> Way:
        return Way(**{"ssh": (str(self.ssh),), "vlad": str(self.vlad), **changes})  # type: ignore[arg-type]

    def site(self, **changes: object) -> RemoteSite:
        return RemoteSite(Target("ada@gpubox"), self.way(**changes), adopts=False)

    def go_down(self, site: RemoteSite) -> None:
        """Ends the connection and refuses others until `come_back`."""
        (self.folder / "is_down").touch()
        assert site._connection is not None
        os.killpg(site._connection._process.pid, signal.SIGKILL)

    def come_back(self) -> None:
        (self.folder / "is_down").unlink()


class RealSshd:
    """sshd on a port of loopback, with keys of its own, that lets only this user in."""

    def __init__(self, folder: Path, home: Home, **variables: str) -> None:
        """`variables` are set for whatever is run there."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("host_key", "client_key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
        self._folder = folder
        told = {"VLAD_HOME": str(home.path), "PYTHONPATH": os.pathsep.join(sys.path), **variables}
        self._variables = " ".join(f'"{name}={value}"' for name, value in told.items())
        self.listen()

    def listen(self) -> None:
        """Also once more after `close`; whoever connects reads the port from the client's configuration."""
        while not self._listens_on(port := _free_port()):
            pass  # somebody else took the port that was free
        (self._folder / "ssh_config").write_text(f"Port {port}\n")

    def _listens_on(self, port: int) -> bool:
        """Starts sshd; whether it got its port and greets."""
        config = self._folder / "config"
        config.write_text(SSHD.format(port=port, folder=self._folder, variables=self._variables))
        self._daemon = subprocess.Popen([sshd() or "sshd", "-D", "-e", "-f", config], stderr=subprocess.DEVNULL)
        until(lambda: _greets(port) or self._daemon.poll() is not None, "sshd greets, or ends")
        return self._daemon.poll() is None

    def way(self) -> Way:
        options = ("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR")
        ssh = ("ssh", "-F", str(self._folder / "ssh_config"), "-i", str(self._folder / "client_key"), *options)
        return Way(ssh=ssh, vlad=str(vlad_script(self._folder)))

    @property
    def login(self) -> str:
        return f"{getpass.getuser()}@127.0.0.1"

    def cut(self, site: RemoteSite) -> None:
        """Kills the connection, as a network that is gone does."""
        assert site._connection is not None
        os.killpg(site._connection._process.pid, signal.SIGKILL)

    def close(self) -> None:
        self._daemon.terminate()
        self._daemon.wait()


def _greets(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), PATIENCE_S) as line:
        return line.recv(4) == b"SSH-"
    return False


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def sshd() -> str | None:
    """Where sshd is; None where it is not installed."""
    return shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def why_no_sshd() -> str:
    """Why a real sshd cannot be tried here; empty where it can."""
    if sshd() is None or shutil.which("ssh") is None or shutil.which("ssh-keygen") is None:
        return "sshd, ssh or ssh-keygen is not installed"
    if os.geteuid() == 0 and not Path("/run/sshd").is_dir():
        return "sshd wants its folder /run/sshd, which is missing"
    return ""
