"""The one exception type of the trainer, and its kind for settings."""


class TrainerError(Exception):
    """Something the user can put right: the message says what, where and the offending value."""


class ConfigError(TrainerError):
    """A setting that cannot be: `fields` names the settings concerned."""

    def __init__(self, message: str, *fields: str) -> None:
        super().__init__(message)
        self.fields = fields
