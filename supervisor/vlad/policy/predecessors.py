"""Whether a run may start as far as the runs before it are concerned. Pure."""

from collections.abc import Mapping, Sequence

import msgspec

from vlad.records.events import State
from vlad.records.spec import Predecessor
from vlad.records.wording import Wordings, worded


class Met(msgspec.Struct, frozen=True):
    """Nothing stands in the way."""


class Pending(msgspec.Struct, frozen=True):
    """What the run waits for."""

    wording: Wordings = ()


class Broken(msgspec.Struct, frozen=True):
    """What the run waits for cannot come any more by itself."""

    wording: Wordings


def predecessors(after: Sequence[Predecessor], states: Mapping[str, State | None]) -> Met | Pending | Broken:
    """`states` by run id; None for a run that is gone. One that is broken counts before one that is pending."""
    pending = []
    for one in after:
        state = states[one.run_id]
        if state is None:
            return Broken((worded("{run}, which it was to follow, is gone", run=one.run_id),))
        if not state.is_final:
            pending.append(f"{one.run_id} ({state})")
        elif state is not State.SUCCEEDED and not one.any_end:
            return Broken((worded("{run}, which it was to follow, is {state}", run=one.run_id, state=state),))
    return Pending((worded("waits for the end of {runs}", runs=", ".join(pending)),)) if pending else Met()
