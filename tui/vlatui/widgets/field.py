"""A line to type into."""

from textual.reactive import var
from textual.widgets import Input


class Field(Input):
    """Its cursor stands still: a blinking one would be sent twice a second, over ssh too."""

    cursor_blink = var(False, init=False)
