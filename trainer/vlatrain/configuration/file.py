"""Reads a YAML mapping of names to scalars or lists, each with the line it stands on. Nothing in it is executed."""

from dataclasses import dataclass
from pathlib import Path

import yaml

from vlatrain.errors import ConfigError

KINDS = ("null", "bool", "int", "float", "str", "seq", "map", "timestamp")
PLAIN_TAGS = frozenset(f"tag:yaml.org,2002:{kind}" for kind in KINDS)


@dataclass(frozen=True, slots=True)
class Entry:
    """The text of one value as written, and its place such as configs/x.yaml:12."""

    text: str
    place: str
    is_list: bool = False


def read_entries(path: Path) -> dict[str, Entry]:
    """All keys of the file. Raises ConfigError with file and line for what is no flat mapping, or a key given twice."""
    root = _compose(path)
    if root is None:
        return {}
    return read_mapping(root, path)


def read_mapping(root: yaml.Node, path: Path) -> dict[str, Entry]:
    """The entries of a mapping node, for a file in which they stand deeper."""
    entries: dict[str, Entry] = {}
    for key, value in mapping_items(root, path):
        if key in entries:
            raise ConfigError(f"{place(value, path)}: {key} is given twice, first at {entries[key].place}; remove one")
        entries[key] = _entry(key, value, path)
    return entries


def mapping_items(root: yaml.Node, path: Path) -> list[tuple[str, yaml.Node]]:
    """Keys with their nodes, in order. Raises ConfigError where the node is no mapping of names."""
    if not isinstance(root, yaml.MappingNode):
        raise ConfigError(f"{place(root, path)}: expected lines of the form `name: value`")
    for key, _ in root.value:
        if not isinstance(key, yaml.ScalarNode):
            raise ConfigError(f"{place(key, path)}: a key must be a plain name")
    return [(key.value, value) for key, value in root.value]


def compose(path: Path) -> yaml.Node:
    """The file's node tree. Raises ConfigError for a missing, unreadable, empty or broken file."""
    root = _compose(path)
    if root is None:
        raise ConfigError(f"{path} is empty")
    return root


def place(node: yaml.Node, path: Path) -> str:
    """Where a node stands: file and line."""
    return f"{path}:{node.start_mark.line + 1}"


def _compose(path: Path) -> yaml.Node | None:
    try:
        return yaml.compose(read_text(path), Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigError(f"{path}{line}: not valid YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None


def read_text(path: Path) -> str:
    """The file's text. Raises ConfigError, naming what else is in the folder where the file is missing."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"configuration file {path} does not exist{_neighbours(path)}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text (byte {error.start})") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None


def _neighbours(path: Path) -> str:
    names = sorted(file.name for file in path.parent.glob("*.yaml"))[:8] if path.parent.is_dir() else []
    return f"; {path.parent} has {', '.join(names)}" if names else ""


def _entry(key: str, node: yaml.Node, path: Path) -> Entry:
    where = place(node, path)
    if node.tag not in PLAIN_TAGS:
        raise ConfigError(f"{where}: {key} has the tag {node.tag}, which is not allowed")
    if isinstance(node, yaml.ScalarNode):
        return Entry("null" if node.tag.endswith(":null") else node.value, where)
    if isinstance(node, yaml.SequenceNode) and all(isinstance(item, yaml.ScalarNode) for item in node.value):
        return Entry("[" + ", ".join(item.value for item in node.value) + "]", where, is_list=True)
    raise ConfigError(f"{where}: {key} is nested; the configuration is flat, one `name: value` a line")
