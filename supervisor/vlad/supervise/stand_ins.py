"""Stand-ins for modules that others import and the guards of a run hardly use: more than a MB less for each run.

msgspec, typing and pathlib import regular expressions, IP addresses, UUIDs, decimals and schemas. While those three are
imported, each of these modules is a stand-in, which loads the real one when something of it is used. The real ones are
what everybody gets who imports them later.
"""

import importlib
import os
import sys
from collections.abc import Callable
from types import ModuleType

# module: what is taken of it at the import already: types that no record has, functions that no guard calls
TYPES = {"uuid": ("UUID", "SafeUUID"), "decimal": ("Decimal",), "re": ("Pattern", "Match")}
FUNCTIONS = {
    "re": ("compile",),
    "urllib.parse": ("quote_from_bytes",),
    "msgspec._json_schema": ("schema", "schema_components"),
}
NOTHING = ("fnmatch", "ntpath", "textwrap", "msgspec.inspect")
PLAINLY = "VLAD_PLAIN_IMPORTS"


class StandIn(ModuleType):
    """Has what it is given; everything else is looked up in the real module, loaded for that."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):  # asked by the import system itself
            raise AttributeError(f"{self.__name__} has no {name} while it is not loaded")
        return getattr(self.loaded(), name)

    def loaded(self) -> ModuleType:
        self.leave()
        return importlib.import_module(self.__name__)

    def leave(self) -> None:
        """Whoever imports the module from now on gets the real one."""
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]


class _Type(type):
    """Of a type that stands for one of a module that is not loaded."""

    unknown = None  # msgspec takes SafeUUID.unknown


def _later(module: StandIn, function: str) -> Callable[..., object]:
    return lambda *words, **named: getattr(module.loaded(), function)(*words, **named)


def _stand_in(name: str) -> StandIn:
    found = StandIn(name)
    for taken in TYPES.get(name, ()):
        setattr(found, taken, _Type(taken, (), {}))
    for taken in FUNCTIONS.get(name, ()):
        setattr(found, taken, _later(found, taken))
    return found


def import_leanly() -> None:
    """Imports msgspec, typing and pathlib, without what they hardly use. Early: what is loaded already stays loaded.

    Where a version of them cannot do without, this program begins anew, and imports as everybody does.
    """
    if os.environ.pop(PLAINLY, None):
        return
    try:
        _import_with_stand_ins()
    except Exception as error:
        print(f"vlad: imports in full: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        os.execve(sys.executable, sys.orig_argv, {**os.environ, PLAINLY: "1"})


def _import_with_stand_ins() -> None:
    stand_ins = [_stand_in(name) for name in {*TYPES, *FUNCTIONS, *NOTHING} - set(sys.modules)]
    sys.modules.update({one.__name__: one for one in stand_ins})
    datetime = sys.modules.setdefault("datetime", importlib.import_module("_datetime"))  # the C half has all types
    sys.modules["typing_extensions"] = None  # type: ignore[assignment]  # msgspec looks for it, and needs it not
    for name in ("msgspec", "pathlib"):
        importlib.import_module(name)
    for one in stand_ins:
        one.leave()
    del sys.modules["typing_extensions"]
    if datetime.__name__ == "_datetime":
        del sys.modules["datetime"]
