"""The colours: our own themes, and how the tones are mixed from any theme's few colours."""

from textual.color import Color
from textual.theme import Theme

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


def tone_variables(theme: Theme, colours: dict[str, str]) -> dict[str, str]:
    """The stylesheet's `$tone-…` variables for a theme whose generated colours are `colours`.

    With the terminal's own colours nothing can be mixed: muted text is dimmed there, by the stylesheet.
    """
    if theme.ansi:
        return {
            "tone-title": "ansi_cyan",
            "tone-accent": "ansi_cyan",
            "tone-muted": "ansi_default",
            "tone-faint": "ansi_default",
            "tone-cursor": "ansi_default",
            "tone-match": "ansi_yellow",
            "tone-on-match": "ansi_black",
            "tone-rule": "ansi_bright_black",
            "tone-trend": "ansi_cyan",
        }
    background, foreground = Color.parse(colours["background"]), Color.parse(colours["foreground"])
    primary, warning = Color.parse(colours["primary"]), Color.parse(colours["warning"])
    return {
        "tone-title": colours["primary"],
        "tone-accent": colours["accent"],
        "tone-muted": background.blend(foreground, 0.58).hex,
        "tone-faint": background.blend(foreground, 0.26).hex,
        "tone-rule": background.blend(foreground, 0.20).hex,
        "tone-trend": background.blend(primary, 0.55).hex,
        "tone-cursor": background.blend(primary, 0.18).hex,
        "tone-match": background.blend(warning, 0.35).hex,
        "tone-on-match": foreground.hex,
    }
