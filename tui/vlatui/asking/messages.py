"""How what was asked for went."""

from textual.message import Message


class ActionDone(Message):
    """What was asked for was done (or asked of the run); `run_id` where one run is concerned."""

    def __init__(self, words: str, run_id: str | None = None) -> None:
        super().__init__()
        self.words = words
        self.run_id = run_id


class ActionFailed(Message):
    """What was asked for could not be done; `words` say why."""

    def __init__(self, words: str) -> None:
        super().__init__()
        self.words = words
