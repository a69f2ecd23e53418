"""How what was asked for went."""

from textual.message import Message


class ActionDone(Message):
    """What was asked for was done (or asked of the run); `new_run` is the id of a run that was made by it."""

    def __init__(self, words: str, new_run: str | None = None) -> None:
        super().__init__()
        self.words = words
        self.new_run = new_run


class ActionFailed(Message):
    """What was asked for could not be done; `words` say why."""

    def __init__(self, words: str) -> None:
        super().__init__()
        self.words = words
