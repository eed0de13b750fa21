"""A drawing as a standalone file, with the colours written into it because it has no style sheet."""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement, fromstring, register_namespace, tostring

# The XML parsed here was just written by drawing_shapes; nothing from outside is ever parsed.
_INK, _SOFT, _LINE, _PAPER, _SURFACE, _SUNK = "#2a2320", "#665950", "#8d7d6e", "#faf6ef", "#fffdfa", "#f1e9dd"
_GREEN, _CLAY, _ROSE, _MINT, _AMBER = "#1f5c52", "#9c3a1b", "#fde8e2", "#e2f0e8", "#fff0d2"
_NS = "{http://www.w3.org/2000/svg}"
register_namespace("", _NS[1:-1])
_ICON = {"fill": "none", "stroke": _GREEN, "stroke-width": "1.4", "stroke-linecap": "round", "stroke-linejoin": "round"}
_STYLES: dict[str, dict[str, str]] = {
    "fd-box": {"fill": _SURFACE, "stroke": _LINE, "stroke-width": "1.25"},
    "fd-rail": {"fill": "none", "stroke": _LINE, "stroke-width": "1.25"},
    "fd-icon": _ICON,
    "fd-ring": {"fill": _SURFACE, "stroke": _LINE, "stroke-width": "1.5"},
    "fd-dot": {"fill": _INK},
    "fd-line": {"fill": "none", "stroke": _LINE, "stroke-width": "1.4"},
    "fd-head": {"fill": _LINE},
    "fd-name": {"fill": _INK, "font-weight": "700"},
    "fd-kind": {"fill": _SOFT},
    "fd-words": {"fill": _INK},
    "fd-label": {"fill": _INK, "stroke": _PAPER, "stroke-width": "4", "paint-order": "stroke", "stroke-linejoin": "round"},
}
_GROUP_STYLES: dict[str, dict[str, dict[str, str]]] = {
    "fd-ask": {"fd-box": {"stroke": _GREEN}, "fd-rail": {"stroke": _GREEN, "stroke-width": "3"}},
    "fd-handoff": {"fd-box": {"fill": _ROSE, "stroke": _CLAY, "stroke-width": "1.75"}, "fd-icon": {"stroke": _CLAY}},
    "fd-mark-human": {"fd-ring": {"stroke": _CLAY}, "fd-icon": {"stroke": _CLAY}},
    "fd-mark-start": {"fd-dot": {"fill": _GREEN}},
    "fd-erase": {"fd-box": {"fill": _AMBER}},
    "is-aside": {"fd-line": {"stroke-width": "1", "stroke-dasharray": "2 4"}},
    **{f"fd-{kind}": {"fd-box": {"fill": _MINT}} for kind in ("refer", "referral", "measure", "consent", "check-in")},
    **{f"fd-{kind}": {"fd-box": {"fill": _SUNK}} for kind in ("decide", "run", "wait", "end")},
}
"""Class of a group -> class of an element inside it -> the element's attributes."""


def standalone(svg: str) -> str:
    """The drawing as a complete SVG file in the light colours."""
    root = fromstring(svg)  # noqa: S314 - our own text, see above
    left, top, width, height = root.attrib["viewBox"].split()
    ground = Element(f"{_NS}rect", {"x": left, "y": top, "width": width, "height": height, "fill": _PAPER})
    for group in root.iter(f"{_NS}g"):
        _colour(group, [_GROUP_STYLES[word] for word in group.get("class", "").split() if word in _GROUP_STYLES])
    root.insert(0, ground)
    root.set("font-family", "Arial, Helvetica, sans-serif")
    title = Element(f"{_NS}title")
    title.text = root.get("aria-label")
    root.insert(0, title)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + _to_text(root)


def message_file(words: str) -> str:
    """An SVG file that only says why there is no drawing."""
    size = {"width": "640", "height": "80", "viewBox": "0 0 640 80"}
    root = Element(f"{_NS}svg", size | {"font-family": "Arial, Helvetica, sans-serif"})
    SubElement(root, f"{_NS}rect", {"width": "640", "height": "80", "fill": _PAPER})
    SubElement(root, f"{_NS}text", {"x": "20", "y": "45", "font-size": "14", "fill": _INK}).text = words
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + _to_text(root)


def _colour(group: Element, here: list[dict[str, dict[str, str]]]) -> None:
    for element in group.iter():
        for word in element.get("class", "").split():
            for attributes in (_STYLES.get(word, {}), *(each.get(word, {}) for each in here)):
                for name, value in attributes.items():
                    element.set(name, value)


def _to_text(root: Element) -> str:
    return tostring(root, encoding="unicode")
