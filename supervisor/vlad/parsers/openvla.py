"""Logs of run_libero_eval.py, of OpenVLA and of OpenVLA-OFT (which adds a block at its end)."""

import re

from vlad.parsers.facts import Fact, SeenEpisodes, SeenEvaluation, SeenSuite

_SUITE = re.compile(r"Task suite: ([\w.-]{1,64})$")
_DONE = re.compile(r"# episodes completed so far: (\d{1,9})$")
_SUCCESSES = re.compile(r"# successes: (\d{1,9}) \(")
_TOTAL_EPISODES = re.compile(r"Total episodes: (\d{1,9})$")
_TOTAL_SUCCESSES = re.compile(r"Total successes: (\d{1,9})$")
_OVERALL = re.compile(r"Overall success rate: (\d\.\d{1,9})\b")


def parse(line: str) -> Fact | None:
    """Rates of single tasks and running rates are left out: they are no evaluation."""
    if found := _SUITE.search(line):
        return SeenSuite(suite=found[1])
    if found := _DONE.search(line) or _TOTAL_EPISODES.search(line):
        return SeenEpisodes(episodes=int(found[1]))
    if found := _SUCCESSES.search(line) or _TOTAL_SUCCESSES.search(line):
        return SeenEpisodes(successes=int(found[1]))
    if (found := _OVERALL.search(line)) and float(found[1]) <= 1:
        return SeenEvaluation(success_rate=round(100 * float(found[1]), 6))
    return None
