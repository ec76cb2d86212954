"""docs/settings.md is what the model of the settings says."""

from __future__ import annotations

from monitord.session.settings import Settings, leaves
from tests.lint.settings_page import PAGE, settings_page


def test_the_page_is_generated_from_the_model() -> None:
    assert PAGE.read_text(encoding="utf-8") == settings_page(), "run: python -m tests.lint.settings_page"


def test_the_page_has_every_setting_and_what_a_reload_applies() -> None:
    rows = [line.split(" | ") for line in settings_page().splitlines() if line.startswith("| `")]
    keys = {row[0].strip("| `"): row[-1].startswith("↻") for row in rows}
    assert list(keys) == list(dict(leaves(Settings().model_dump())))
    assert keys["windows.samples"]
    assert keys["prometheus.limits.samples"]
    assert not keys["prometheus.port"]
