"""Pages of the documentation of which a benchmark writes the part between two marks."""

from pathlib import Path


def replace_between(page: Path, begin: str, end: str, text: str) -> None:
    """Puts `text` on lines of its own between the first mark `begin` of the page and the mark `end` that follows."""
    before, _, rest = page.read_text().partition(begin)
    page.write_text(f"{before}{begin}\n{text}\n{end}{rest.partition(end)[2]}")
