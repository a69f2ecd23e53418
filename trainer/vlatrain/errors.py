"""The one exception type of the trainer, and its kinds for settings and for training that failed."""


class TrainerError(Exception):
    """Something the user can put right: the message says what, where and the offending value."""


class ConfigError(TrainerError):
    """A setting that cannot be: `fields` names the settings concerned."""

    def __init__(self, message: str, *fields: str) -> None:
        super().__init__(message)
        self.fields = fields


class TrainingError(TrainerError):
    """Training itself went wrong although its settings were in order: a loss that is no number, a full disk."""
