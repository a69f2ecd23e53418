"""The loop of a simulator worker: reads requests, plays, answers; ends with whoever started it."""

import os
import queue
import socket
import sys
import threading
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Protocol

from vlatrain.sim.protocol import Channel, ChannelClosed, Frames, Layout, Message


class Refused(Exception):
    """This interpreter cannot simulate; the message is the one line that says why."""


class Simulation(Protocol):
    """What a worker runs. All calls leave what is to be seen in the frames; most return the rest of the answer."""

    versions: dict[str, str]

    def start(self, request: Message) -> None: ...
    def act(self, action: list[float], frame: int | None) -> bool:
        """Whether the task is done now. Where nobody looks there is no `frame`."""

    def demonstrate(self, request: Message) -> Message: ...
    def render(self, request: Message) -> Message: ...


def run(make: Callable[[Frames], Simulation]) -> int:
    """The whole life of a worker program; the exit status."""
    parser = ArgumentParser()
    parser.add_argument("--socket", type=int, required=True)
    parser.add_argument("--memory", type=int, required=True)
    parser.add_argument("--layout", type=Layout.from_text, required=True)
    arguments = parser.parse_args()
    channel = Channel(socket.socket(fileno=arguments.socket))
    requests = listening(channel)
    try:
        simulation = make(Frames(arguments.memory, arguments.layout))
    except Refused as error:
        channel.send({"is": "refused", "reason": str(error)})
        return 2
    channel.send({"is": "ready", "versions": simulation.versions})
    while True:
        channel.send(answer(simulation, requests.get()))


def listening(channel: Channel) -> "queue.Queue[Message]":
    """The requests as they come. When the trainer is gone this process ends at once, whatever it is doing."""
    requests: queue.Queue[Message] = queue.Queue()

    def listen() -> None:
        while True:
            try:
                requests.put(channel.receive())
            except ChannelClosed:
                sys.stdout.flush()
                os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    return requests


def answer(simulation: Simulation, request: Message) -> Message:
    """Does what is asked. Whatever is raised ends the worker: a fresh one takes over."""
    kind = request["do"]
    if kind == "act":
        return {"is": "seen", **execute(simulation, request["plan"], is_followed=request["followed"])}
    if kind == "start":
        simulation.start(request)
        return {"is": "seen", "done": False, "steps": 0, "frames": 1}
    if kind == "demonstrate":
        return {"is": "demonstrated", **simulation.demonstrate(request)}
    if kind == "render":
        return {"is": "rendered", **simulation.render(request)}
    raise ValueError(f"no such request: {kind!r}")


def execute(simulation: Simulation, plan: list[list[float]], *, is_followed: bool) -> Message:
    """A plan of actions [N, 7] to its end, or until the task is done."""
    is_done, steps, frames = False, 0, 0
    while not is_done and steps < len(plan):
        is_seen = is_followed or steps == len(plan) - 1
        is_done = simulation.act(plan[steps], frames if is_seen else None)
        steps, frames = steps + 1, frames + is_seen
    return {"done": is_done, "steps": steps, "frames": frames}
