"""What the guards of a run do without can still be used: the real modules come when they are."""

import subprocess
import sys
from pathlib import Path

import pytest

BOOT = "import sys; sys.path[:] = {paths!r}; from vlad.supervise.stand_ins import import_leanly; import_leanly(); "


def said(code: str) -> str:
    """By an interpreter that has imported as the guards do."""
    argv = [sys.executable, "-I", "-S", "-c", BOOT.format(paths=sys.path) + code]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("code", "answer"),
    [
        pytest.param("import pathlib; print(pathlib.Path('/a b').as_uri())", "file:///a%20b", id="pathlib.as_uri"),
        pytest.param("from pathlib import Path; print(*Path('/').glob('et[c]'))", "/etc", id="pathlib.glob"),
        pytest.param("import msgspec; print(msgspec.json.schema(int))", "{'type': 'integer'}", id="msgspec.schema"),
        pytest.param("import msgspec; print(msgspec.inspect.type_info(str).min_length)", "None", id="msgspec.inspect"),
        pytest.param("import re; print(re.sub('a+', 'b', 'caat', flags=re.I))", "cbt", id="re"),
        pytest.param("import uuid; print(uuid.UUID(int=1).hex[-1])", "1", id="uuid"),
        pytest.param("import decimal; print(decimal.Decimal('1.5') * 2)", "3.0", id="decimal"),
        pytest.param("import datetime; print(datetime.date(2026, 1, 2))", "2026-01-02", id="datetime"),
        pytest.param("import urllib.parse; print(urllib.parse.quote('a b'))", "a%20b", id="urllib"),
    ],
)
def test_what_is_not_loaded_comes_when_it_is_used(code: str, answer: str) -> None:
    assert said(code) == answer


def test_a_real_module_that_is_loaded_already_is_kept() -> None:
    code = "import re; from vlad.supervise.stand_ins import import_leanly; import_leanly(); import re as again; "
    argv = [sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}; {code}print(again is re, re.compile)"]
    told = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert told.startswith("True <function compile")


def test_a_library_that_cannot_do_without_is_imported_in_full(tmp_path: Path) -> None:
    (tmp_path / "msgspec.py").write_text("import uuid\nclass Number(uuid.UUID): pass\none = Number(int=1).hex[-1]\n")
    boot = BOOT.format(paths=[str(tmp_path), *sys.path])
    code = "import msgspec, os; print(msgspec.one, 'VLAD_PLAIN_IMPORTS' in os.environ)"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", boot + code], capture_output=True, text=True)
    assert done.stdout.strip() == "1 False"
    assert done.stderr.startswith("vlad: imports in full: ")
