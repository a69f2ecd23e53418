"""Work that threads do ahead of who takes its results, in order and within bounds."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Executor, Future
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def done_ahead(
    threads: Executor, work: Callable[[Item], Result], items: Iterable[Item], most: int
) -> Generator[Result, None, None]:
    """`work` of each item, in their order; at most `most` results are there, or under way, that nobody has taken.

    Where it ends early, what has not begun is not done.
    """
    coming: deque[Future[Result]] = deque()
    try:
        for item in items:
            if len(coming) == most:
                yield coming.popleft().result()
            coming.append(threads.submit(work, item))
        while coming:
            yield coming.popleft().result()
    finally:
        for future in coming:
            future.cancel()
