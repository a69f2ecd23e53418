"""The command that connects: options first, the host behind --, everything quoted for the shell at the other end."""

import pytest
from vlad.records.files import RecordError
from vlatui.sites.ssh import Target, Way, failure_words, is_target, target_of


@pytest.mark.parametrize(
    ("word", "target"),
    [
        ("ada@gpubox", Target("ada@gpubox")),
        ("gpubox:", Target("gpubox")),
        ("ada@gpubox:/data/vlad runs", Target("ada@gpubox", "/data/vlad runs")),
        ("ada@[fe80::1]", Target("ada@[fe80::1]")),
    ],
)
def test_hosts_are_written_as_for_scp(word: str, target: Target) -> None:
    assert is_target(word)
    assert target_of(word) == target


@pytest.mark.parametrize("word", ["-oProxyCommand=x@y", "ada@-v", "a b@c", "ada@gpu;box", "@", ":", "ada@gpubox`x`"])
def test_what_could_be_an_option_or_a_command_is_no_host(word: str) -> None:
    with pytest.raises(RecordError, match="is no host"):
        target_of(word)


def test_a_run_is_no_host() -> None:
    assert not any(map(is_target, ("last", "spatial", "20261122-0931-tabletop_demo-7f3a")))


def test_every_word_for_the_other_shell_is_quoted() -> None:
    argv = Way(vlad="~/my env/bin/vlad").argv(Target("ada@gpubox", "/data/$(x)"))
    assert argv[0] == "ssh"
    assert argv[-3:] == ["--", "ada@gpubox", "env VLAD_HOME='/data/$(x)' ~/'my env/bin/vlad' serve --stdio"]
    assert "BatchMode=yes" in argv


def test_one_who_only_reads_says_so_to_the_other_side() -> None:
    assert Way(readonly=True).served("").endswith("serve --stdio --readonly")


@pytest.mark.parametrize(
    ("code", "said", "words"),
    [
        (127, "sh: 1: vlad: not found", "install it or say where it is with --vlad-path"),
        (255, "ada@gpubox: Permission denied (publickey).", "use a key or an agent"),
        (255, "Host key verification failed.", "connect once with `ssh gpubox`"),
        (2, "vlad: 'serve' is no verb; ...", "update it"),
        (255, "ssh: connect to host gpubox port 22: Connection refused", "Connection refused"),
        (0, "", "the connection has ended"),
    ],
)
def test_a_failure_says_what_to_do(code: int, said: str, words: str) -> None:
    told = failure_words("gpubox", code, said)
    assert told.startswith("gpubox: ")
    assert words in told
    assert "\n" not in told
