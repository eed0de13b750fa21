"""What a browser would post of a form in a page in which nothing was typed."""

from __future__ import annotations

from html.parser import HTMLParser


class _Forms(HTMLParser):
    """Collects the fields of each form; text areas as browsers send them, with CRLF, single lines without breaks."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[tuple[str, dict[str, str]]] = []
        self._area: tuple[str, list[str]] | None = None
        self._select: str | None = None
        self._is_first = False

    @property
    def _fields(self) -> dict[str, str]:
        return self.forms[-1][1] if self.forms else {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {key: value or "" for key, value in attrs}
        name = given.get("name", "")
        if tag == "form":
            self.forms.append((given.get("action", ""), {}))
        elif tag == "input" and name:
            is_ticked = given.get("type") not in ("checkbox", "radio") or "checked" in given
            if is_ticked and given.get("type") not in ("file", "submit"):
                self._fields[name] = given.get("value", "").replace("\r", "").replace("\n", "")
        elif tag == "textarea":
            self._area = (name, [])
        elif tag == "select":
            self._select, self._is_first = name, True
        elif tag == "option" and self._select and (self._is_first or "selected" in given):
            self._fields[self._select], self._is_first = given.get("value", ""), False

    def handle_data(self, data: str) -> None:
        if self._area:
            self._area[1].append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea" and self._area:
            text = "".join(self._area[1]).removeprefix("\n")
            self._fields[self._area[0]], self._area = text.replace("\r\n", "\n").replace("\n", "\r\n"), None
        elif tag == "select":
            self._select = None


def fields_of(page: str, action: str) -> dict[str, str]:
    """The fields of the page's first form that posts to this address."""
    reader = _Forms()
    reader.feed(page)
    return next(fields for to, fields in reader.forms if to == action)
