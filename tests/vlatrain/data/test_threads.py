"""Work done ahead: results in order, never more of them than asked for, errors where they belong."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from patience import PATIENCE_S
from vlatrain.data.threads import done_ahead


def test_results_come_in_order_and_no_more_are_begun_than_may_wait() -> None:
    begun: list[int] = []

    def items() -> Iterator[int]:
        for item in range(20):
            begun.append(item)
            yield item

    with ThreadPoolExecutor(4) as threads:
        for taken, result in enumerate(done_ahead(threads, lambda item: item * item, items(), 3)):
            assert result == taken**2
            assert len(begun) <= taken + 4, "three that wait, and the one that shall"
    assert begun == list(range(20))


def test_an_error_comes_in_the_place_of_its_result() -> None:
    with ThreadPoolExecutor(2) as threads:
        results = done_ahead(threads, lambda item: 6 // item, [3, 0, 2], 2)
        assert next(results) == 2
        with pytest.raises(ZeroDivisionError):
            next(results)


def test_what_has_not_begun_is_not_done_once_nobody_asks_any_more() -> None:
    may_go_on = Event()
    done: list[int] = []

    def work(item: int) -> int:
        assert item == 0 or may_go_on.wait(PATIENCE_S)
        done.append(item)
        return item

    with ThreadPoolExecutor(1) as threads:
        results = done_ahead(threads, work, range(100), 50)
        assert next(results) == 0
        results.close()
        may_go_on.set()
    assert done in ([0], [0, 1]), "the second may have begun"


def test_nothing_gives_nothing() -> None:
    with ThreadPoolExecutor(1) as threads:
        assert list(done_ahead(threads, str, [], 2)) == []
