"""Completion scripts of the three shells, from a description of the verbs. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Takes(StrEnum):
    """What follows an option, or stands as an argument."""

    NOTHING = "nothing"
    RUN = "run"
    FILE = "file"
    FOLDER = "folder"
    VALUE = "value"
    ANYTHING = "anything"


@dataclass(frozen=True, slots=True)
class Word:
    """An option by its `flags`, or an argument without any. `values` are all that it may be (or is often)."""

    flags: tuple[str, ...]
    takes: Takes
    help: str
    values: tuple[str, ...] = ()
    is_repeated: bool = False


@dataclass(frozen=True, slots=True)
class Verb:
    name: str
    summary: str
    words: tuple[Word, ...]
    takes_command: bool = False

    @property
    def options(self) -> list[Word]:
        return [word for word in self.words if word.flags]

    @property
    def arguments(self) -> list[Word]:
        return [word for word in self.words if not word.flags]


def bash(verbs: Sequence[Verb]) -> str:
    values = "\n".join(_bash_option(verb, word) for verb in verbs for word in verb.options if word.takes != "nothing")
    flags = "\n".join(f'        {verb.name}) flags="{_flags(verb)}" ;;' for verb in verbs)
    arguments = "\n".join(_bash_argument(verb) for verb in verbs if verb.arguments)
    names = " ".join(verb.name for verb in verbs)
    return BASH.format(names=names, values=values, flags=flags, arguments=arguments)


def _flags(verb: Verb) -> str:
    return " ".join(flag for word in verb.options for flag in word.flags) + (" --" if verb.takes_command else "")


def _bash_option(verb: Verb, word: Word) -> str:
    cases = "|".join(f'"{verb.name} {flag}"' for flag in word.flags)
    return f"        {cases}) {_bash_reply(word)}; return ;;"


def _bash_argument(verb: Verb) -> str:
    return f"        {verb.name}) {_bash_reply(verb.arguments[0])} ;;"


def _bash_reply(word: Word) -> str:
    match word.takes:
        case Takes.RUN:
            return "_vlad_runs"
        case Takes.FOLDER:
            return 'mapfile -t COMPREPLY < <(compgen -d -- "$current")'
        case Takes.VALUE:
            return f'mapfile -t COMPREPLY < <(compgen -W "{" ".join(word.values)}" -- "$current")'
        case _:
            return 'mapfile -t COMPREPLY < <(compgen -f -- "$current")'


BASH = """\
# bash completion of vlad; made by `vlad completions bash`
_vlad_runs() {{
    mapfile -t COMPREPLY < <(compgen -W "$(vlad completions runs 2>/dev/null)" -- "$current")
}}

_vlad() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}} verb=${{COMP_WORDS[1]}}
    local word flags=""
    COMPREPLY=()
    if (( COMP_CWORD == 1 )); then
        mapfile -t COMPREPLY < <(compgen -W "{names} --help --version" -- "$current")
        return
    fi
    for word in "${{COMP_WORDS[@]:2:COMP_CWORD-2}}"; do
        if [[ $word == -- ]]; then
            mapfile -t COMPREPLY < <(compgen -c -f -- "$current")
            return
        fi
    done
    case "$verb $previous" in
{values}
    esac
    case "$verb" in
{flags}
    esac
    if [[ $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$flags" -- "$current")
        return
    fi
    case "$verb" in
{arguments}
    esac
}}
complete -o filenames -F _vlad vlad
"""


def zsh(verbs: Sequence[Verb]) -> str:
    summaries = "\n".join(f"        '{verb.name}:{_zsh_text(verb.summary)}'" for verb in verbs)
    return ZSH.format(summaries=summaries, cases="\n".join(map(_zsh_case, verbs)))


def _zsh_case(verb: Verb) -> str:
    specs = [spec for word in verb.options for spec in _zsh_option(word)]
    specs += [_zsh_argument(word) for word in verb.arguments]
    if verb.takes_command:
        specs.append("'(-)--[a command]:*::command:_normal'")
    lines = " \\\n".join(f"                {spec}" for spec in specs)
    return f"            {verb.name})\n                _arguments -s \\\n{lines}\n                ;;"


def _zsh_option(word: Word) -> list[str]:
    value = f":{word.takes}:{_zsh_action(word)}" if word.takes != Takes.NOTHING else ""
    return [f"'*{flag}[{_zsh_text(word.help)}]{value}'" for flag in word.flags]


def _zsh_argument(word: Word) -> str:
    return f"'{'*' if word.is_repeated else ''}:{word.takes}:{_zsh_action(word)}'"


def _zsh_action(word: Word) -> str:
    match word.takes:
        case Takes.RUN:
            return "_vlad_runs"
        case Takes.FOLDER:
            return "_files -/"
        case Takes.VALUE:
            return f"({' '.join(word.values)})"
        case Takes.FILE:
            return "_files"
        case _:
            return " "


def _zsh_text(text: str) -> str:
    """Within single quotes, brackets and colons: none of these in it."""
    return text.replace("'", "").replace("[", "(").replace("]", ")").replace(":", ",").replace("`", "")


ZSH = """\
#compdef vlad
# zsh completion of vlad; made by `vlad completions zsh`
_vlad_runs() {{
    local -a runs=(${{(f)"$(vlad completions runs 2>/dev/null)"}})
    compadd -V runs -a runs
}}

_vlad() {{
    local -a verbs=(
{summaries}
    )
    local line state
    _arguments -C '1: :->verb' '*:: :->words'
    case $state in
    verb)
        _describe verb verbs
        ;;
    words)
        case $line[1] in
{cases}
        esac
        ;;
    esac
}}
if [[ $funcstack[1] == _vlad ]]; then _vlad "$@"; else compdef _vlad vlad; fi
"""


def fish(verbs: Sequence[Verb]) -> str:
    lines = [FISH]
    for verb in verbs:
        lines.append(f"complete -c vlad -n __fish_use_subcommand -a {verb.name} -d {_fish_text(verb.summary)}")
        lines += [_fish_line(verb, word) for word in verb.words]
    return "\n".join(lines) + "\n"


def _fish_line(verb: Verb, word: Word) -> str:
    condition = (
        f"complete -c vlad -n '__fish_seen_subcommand_from {verb.name}; and not contains -- -- (commandline -opc)'"
    )
    flags = "".join(f" {'-l ' + flag[2:] if flag.startswith('--') else '-s ' + flag[1:]}" for flag in word.flags)
    described = f" -d {_fish_text(word.help)}" if word.flags else ""
    return f"{condition}{flags}{_fish_value(word)}{described}"


def _fish_value(word: Word) -> str:
    exclusive = " -x" if word.flags else " -f"
    match word.takes:
        case Takes.NOTHING:
            return ""
        case Takes.RUN:
            return f"{exclusive} -a '(vlad completions runs 2>/dev/null)'"
        case Takes.FOLDER:
            return f"{exclusive} -a '(__fish_complete_directories)'"
        case Takes.VALUE:
            return f"{exclusive} -a '{' '.join(word.values)}'"
        case _:
            return " -r" if word.flags else ""


def _fish_text(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


FISH = """\
# fish completion of vlad; made by `vlad completions fish`
complete -c vlad -f -n __fish_use_subcommand
complete -c vlad -n __fish_use_subcommand -l help -d 'list the verbs'
complete -c vlad -n __fish_use_subcommand -l version -d 'print the version'"""

SCRIPTS: dict[str, Callable[[Sequence[Verb]], str]] = {"bash": bash, "zsh": zsh, "fish": fish}
