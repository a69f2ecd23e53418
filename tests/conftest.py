"""For all tests: signals mean what they usually do."""

import signal


def pytest_configure() -> None:
    """Started with nohup, or in the background of a script, tests and all that they start would ignore some."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGHUP, signal.SIGQUIT):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
