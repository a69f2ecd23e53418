"""Plays given actions in a venue, in plans of any size, and keeps all that it tells."""

from dataclasses import dataclass, field

from patience import until
from vlatrain.evaluate.results import Episode, Outcome
from vlatrain.evaluate.venue import Ended, Observation, Plan, Venue


@dataclass(slots=True)
class Played:
    """What was seen, every bit of it, and how the episode ended."""

    seen: list[tuple[bytes, ...]] = field(default_factory=list)
    outcome: Outcome | None = None


def bits(observation: Observation) -> tuple[bytes, ...]:
    parts = (observation.image, observation.wrist, observation.state)
    return tuple(part.tobytes() for part in parts if part is not None)


def played(venue: Venue, episode: Episode, actions: Plan, size: int, *, is_followed: bool = False) -> Played:
    """One episode, whose actions [T, 7] last until it ends."""
    found, given = Played(), 0
    venue.begin(episode)
    while found.outcome is None:
        for event in until(lambda: venue.events(1.0), "something happens in the episode"):
            if isinstance(event, Ended):
                found.outcome = event.outcome
                continue
            found.seen.append(bits(event.observation))
            if event.waits:
                venue.act(episode, actions[given : given + size], is_followed=is_followed)
                given += size
    return found
