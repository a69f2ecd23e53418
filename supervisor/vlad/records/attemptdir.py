"""The names inside the folder of one attempt."""

from pathlib import Path

import msgspec

from vlad.records.outcome import AgentClaim, Exit


class AttemptDirectory(msgspec.Struct, frozen=True):
    """The files of one attempt."""

    path: Path

    @property
    def console(self) -> Path:
        return self.path / "console.log"

    @property
    def exit(self) -> Path:
        return self.path / "exit.json"

    @property
    def agent(self) -> Path:
        """Who the attempt's torchrun (or command) is, written by itself before it executes: there is only ever one."""
        return self.path / "agent.json"

    @property
    def ranks(self) -> Path:
        return self.path / "ranks"

    @property
    def stacks(self) -> Path:
        """Dumps of what the processes of the attempt do, and the files into which programs write their own."""
        return self.path / "stacks"

    def read_agent(self) -> AgentClaim | None:
        """The attempt's agent, None where none has claimed it yet."""
        try:
            return msgspec.json.decode(self.agent.read_bytes(), type=AgentClaim)
        except (OSError, msgspec.DecodeError):
            return None

    def read_exit(self) -> Exit | None:
        """How the attempt ended, None where that is not recorded (yet)."""
        try:
            return msgspec.json.decode(self.exit.read_bytes(), type=Exit)
        except (OSError, msgspec.DecodeError):
            return None
