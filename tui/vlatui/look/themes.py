"""The colours: our own themes, and how the tones are mixed from any theme's few colours."""

from collections.abc import Mapping

from rich.style import Style
from textual.color import Color
from textual.theme import Theme

from vlatui.look.tones import Tone

DARK = Theme(
    name="vlad-dark",
    primary="#7cb7ff",
    secondary="#a493f0",
    accent="#56d4c4",
    success="#74d692",
    warning="#f0b55a",
    error="#f47c7c",
    foreground="#d3dae6",
    background="#0f1219",
    surface="#0f1219",
    panel="#1a202c",
    dark=True,
    variables={"footer-key-foreground": "#7cb7ff", "input-selection-background": "#7cb7ff 35%"},
)
LIGHT = Theme(
    name="vlad-light",
    primary="#1c62c4",
    secondary="#6a4fc4",
    accent="#0a7f76",
    success="#1c7a3c",
    warning="#9a5b00",
    error="#b3261e",
    foreground="#1d2430",
    background="#fbfbfd",
    surface="#fbfbfd",
    panel="#e8ecf3",
    dark=False,
    variables={"footer-key-foreground": "#1c62c4"},
)
# Okabe and Ito's palette: told apart with every common kind of colour vision
COLOUR_BLIND = Theme(
    name="vlad-colour-blind",
    primary="#56b4e9",
    secondary="#cc79a7",
    accent="#56b4e9",
    success="#40b8f5",
    warning="#f0e442",
    error="#e8703a",
    foreground="#dcdfe4",
    background="#101114",
    surface="#101114",
    panel="#1f2126",
    dark=True,
)
OURS = (DARK, LIGHT, COLOUR_BLIND)
NAMED = ("background", "foreground", "primary", "warning", "secondary", "accent", "success", "error")


def mixed_colours(theme: Theme, colours: Mapping[str, str]) -> dict[str, str]:
    """Further variables of the stylesheet, mixed from a theme's generated `colours`."""
    if theme.ansi:
        return dict.fromkeys(("tone-muted", "tone-rule"), "ansi_bright_black") | {"tone-cursor": "ansi_default"}
    background, foreground = Color.parse(colours["background"]), Color.parse(colours["foreground"])
    return {
        "tone-muted": background.blend(foreground, 0.58).hex,
        "tone-rule": background.blend(foreground, 0.20).hex,
        "tone-cursor": background.blend(Color.parse(colours["primary"]), 0.18).hex,
    }


def tone_styles(theme: Theme, colours: Mapping[str, str]) -> dict[Tone, Style]:
    """Every tone's style in a theme whose generated colours are `colours`."""
    return _terminal_tones() if theme.ansi else _mixed_tones(colours)


def _mixed_tones(colours: Mapping[str, str]) -> dict[Tone, Style]:
    parsed = {name: Color.parse(colours[name]) for name in NAMED}
    background, foreground, primary, warning = (parsed[name] for name in NAMED[:4])
    faint, trend = background.blend(foreground, 0.26), background.blend(primary, 0.55)
    return {
        Tone.STRONG: Style(bold=True),
        Tone.MUTED: _style(background.blend(foreground, 0.58)),
        Tone.COUNT: _style(background.blend(foreground, 0.58)),
        Tone.FAINT: _style(faint),
        Tone.TITLE: _style(primary, bold=True),
        Tone.INFO: _style(primary),
        Tone.ACCENT: _style(parsed["accent"]),
        Tone.GOOD: _style(parsed["success"]),
        Tone.WARN: _style(warning),
        Tone.BAD: _style(parsed["error"]),
        Tone.MARK: _style(warning, bold=True),
        Tone.CURSOR: Style(bgcolor=background.blend(primary, 0.18).rich_color),
        Tone.MATCH: _style(foreground, background.blend(warning, 0.35)),
        Tone.MATCH_NOW: _style(background, warning, bold=True),
        Tone.TREND: _style(trend),
        Tone.SERIES_1: _style(primary),
        Tone.SERIES_2: _style(parsed["secondary"]),
        Tone.SERIES_3: _style(parsed["accent"]),
        Tone.SERIES_4: _style(warning),
    }


def _terminal_tones() -> dict[Tone, Style]:
    """The terminal's own sixteen colours. Nothing can be mixed: muted text is dimmed, the cursor is bold."""
    dim, bold = Style(dim=True), Style(bold=True)
    return {
        Tone.STRONG: bold,
        Tone.MUTED: dim,
        Tone.COUNT: dim,
        Tone.FAINT: dim,
        Tone.TITLE: Style(color="cyan", bold=True),
        Tone.INFO: Style(color="cyan"),
        Tone.ACCENT: Style(color="cyan"),
        Tone.GOOD: Style(color="green"),
        Tone.WARN: Style(color="yellow"),
        Tone.BAD: Style(color="red"),
        Tone.MARK: Style(color="yellow", bold=True),
        Tone.CURSOR: bold,
        Tone.MATCH: Style(color="black", bgcolor="yellow"),
        Tone.MATCH_NOW: Style(color="black", bgcolor="bright_yellow", bold=True),
        Tone.TREND: Style(color="cyan"),
        Tone.SERIES_1: Style(color="cyan"),
        Tone.SERIES_2: Style(color="magenta"),
        Tone.SERIES_3: Style(color="green"),
        Tone.SERIES_4: Style(color="yellow"),
    }


def _style(colour: Color, background: Color | None = None, *, bold: bool = False) -> Style:
    return Style(color=colour.rich_color, bgcolor=background.rich_color if background else None, bold=bold or None)
