"""The checks that configurations are made of. Each raises ConfigError naming the flag, its value and what to do."""

from enum import StrEnum

from vlatrain.errors import ConfigError


def needs(config: object, name: str, is_right: bool, what_to_do: str) -> None:
    """Refuses the value of one field."""
    if not is_right:
        value = getattr(config, name)
        shown = str(value).lower() if isinstance(value, bool) else value
        raise ConfigError(f"--{name} {shown}: {what_to_do}", name)


def at_least(config: object, least: int, *names: str) -> None:
    """Refuses numbers below `least`; None passes."""
    for name in names:
        value = getattr(config, name)
        needs(config, name, value is None or value >= least, f"it must be at least {least}")


def above(config: object, bound: int, *names: str) -> None:
    """Refuses numbers that are not above `bound`; None passes."""
    for name in names:
        value = getattr(config, name)
        needs(config, name, value is None or value > bound, f"it must be above {bound}")


def within(config: object, low: int, high: int, *names: str) -> None:
    """Refuses numbers outside low..high."""
    for name in names:
        needs(config, name, low <= getattr(config, name) <= high, f"it must be from {low} to {high}")


def one_of(config: object, members: type[StrEnum], name: str) -> None:
    """Refuses what is no member; text that only equals one is none."""
    needs(config, name, isinstance(getattr(config, name), members), f"it must be one of {'|'.join(members)}")


def ordered(config: object, lower: str, upper: str) -> None:
    """Refuses a `lower` field above the `upper` one."""
    low, high = getattr(config, lower), getattr(config, upper)
    if low > high:
        raise ConfigError(
            f"--{lower} {low} is above --{upper} {high}: lower the first or raise the second", lower, upper
        )
