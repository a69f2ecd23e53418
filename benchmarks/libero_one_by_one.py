"""LIBERO whose simulators get actions one by one, each once the picture before it is there: to compare with."""

from dataclasses import dataclass, field

from vlatrain.evaluate.libero import LiberoSuite, LiberoVenue
from vlatrain.evaluate.results import Episode
from vlatrain.evaluate.venue import Ended, Plan, Seen
from vlatrain.sim.pool import Pool


@dataclass
class OneByOneVenue(LiberoVenue):
    """The rest of a plan stays here."""

    rest: dict[Episode, Plan] = field(default_factory=dict)

    def act(self, episode: Episode, plan: Plan, *, is_followed: bool) -> None:
        self.rest[episode] = plan[1:]
        super().act(episode, plan[:1], is_followed=is_followed)

    def events(self, timeout_s: float) -> list[Seen | Ended]:
        return [event for event in super().events(timeout_s) if not self._goes_on(event)]

    def _goes_on(self, event: Seen | Ended) -> bool:
        rest = self.rest.pop(event.episode, None)
        if rest is None or not len(rest) or isinstance(event, Ended) or event.is_start:
            return False
        self.act(event.episode, rest, is_followed=False)
        return True


class OneByOneSuite(LiberoSuite):
    """Its simulators are the same."""

    def open(self, batch_size: int, episodes: int) -> OneByOneVenue:
        return OneByOneVenue(self, Pool(self.program, min(self.workers, episodes)))
