"""How a page is checked: by axe-core, in the sizes and colours in which people see it.

A page is loaded once and turned from look to look. It is the same page as one that was loaded so: no script of ours asks for
the size or the colours when it begins, but for where it scrolls to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

Scheme = Literal["light", "dark"]

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
STILL: dict[str, Any] = {"reduced_motion": "reduce"}
"""A line that fades in would be measured half transparent."""
_AXE = Axe().axe_script
# Only what is wrong, and of it only what a test reads: whole findings of a long page are megabytes.
_RUN = """async (tags) => {
  const found = await axe.run({ runOnly: tags, resultTypes: ["violations"] });
  return found.violations.map((rule) => [rule.id, rule.nodes.map((node) => node.target)]);
}"""


@dataclass(frozen=True, slots=True)
class Look:
    """A screen and its colours. `scale` is how many of the screen's points one of the page's own takes."""

    width: int
    height: int
    scheme: Scheme = "light"
    scale: int = 1

    @property
    def size(self) -> dict[str, Any]:
        """The options of a browser context of this size."""
        return {"viewport": {"width": self.width, "height": self.height}, **STILL}


PHONE, DESK = Look(390, 844), Look(1280, 900)
SIZES = [PHONE, DESK]
NAMES = ["phone", "desk"]
ALL = [Look(size.width, size.height, scheme) for size in SIZES for scheme in SCHEMES]
"""A telephone and a desk, each in light and in dark."""
TWICE = Look(640, 450, "dark", 2)
"""A context at 200 % zoom: half as many of the page's own points, each twice the size."""


def turn(page: Page, look: Look) -> None:
    """Show the open page in this look."""
    page.emulate_media(color_scheme=look.scheme)
    page.set_viewport_size({"width": look.width, "height": look.height})
    if look.scale != 1:
        numbers = {"width": look.width, "height": look.height, "deviceScaleFactor": look.scale, "mobile": False}
        page.context.new_cdp_session(page).send("Emulation.setDeviceMetricsOverride", numbers)
    assert page.evaluate("[innerWidth, devicePixelRatio]") == [look.width, look.scale]


def findings(page: Page) -> list[tuple[str, Any]]:
    """The rules that are broken, each with where."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(_AXE)
    return [(rule, where) for rule, where in page.evaluate(_RUN, TAGS)]


def findings_in_both(page: Page) -> list[tuple[str, str, Any]]:
    """The same, in light and in dark."""
    found: list[tuple[str, str, Any]] = []
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        found += [(scheme, *each) for each in findings(page)]
    return found


def is_too_wide(page: Page) -> bool:
    """Whether something overflows sideways."""
    return bool(page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))
