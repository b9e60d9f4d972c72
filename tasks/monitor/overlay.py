"""Flower's own templates with the Rounds page and its tab laid over them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import structlog
from tornado.template import Loader, Template

TEMPLATES: Final = Path(__file__).parent / "templates"
NAVBAR: Final = "navbar.html"

_LAST_TAB: Final = "reverse_url('broker')"
_INLINE: Final = '<script type="text/javascript">'
_WITH_NONCE: Final = '<script type="text/javascript" nonce="{{ request.nonce }}">'
"""Flower has one script within a page; the policy of contents lets no other run."""

_ITEM_END: Final = "</li>"
_TAB: Final = """
        <li class="nav-item">
          <a class="nav-link{% if active_tab == 'rounds' %} active{% end %}"
            href="{{ reverse_url('rounds') }}"
            {% if active_tab == 'rounds' %}aria-current="page"{% end %}>Rounds</a>
        </li>"""

_log = structlog.get_logger(__name__)


class OverlayLoader(Loader):
    """Loads our templates by their names, and every other one from Flower."""

    def _create_template(self, name: str) -> Template:
        ours = TEMPLATES / name
        if ours.is_file():
            return Template(ours.read_bytes(), name=name, loader=self)
        source = (Path(self.root) / name).read_text(encoding="utf-8")
        if name == NAVBAR:
            source = with_tab(source)
        return Template(source.replace(_INLINE, _WITH_NONCE), name=name, loader=self)


def with_tab(navbar: str) -> str:
    """Return Flower's navigation bar with the tab Rounds behind its last tab.

    A bar that no longer looks as expected is returned as it is: the page stays reachable under
    ``/rounds``, and the log says so.
    """
    last_tab = navbar.find(_LAST_TAB)
    end = navbar.find(_ITEM_END, last_tab)
    if last_tab < 0 or end < 0:
        _log.warning(
            "tab.left_out",
            consequence="Flower's navigation bar has changed, so it shows no Rounds tab",
            remedy="open /rounds by its address",
        )
        return navbar
    end += len(_ITEM_END)
    return navbar[:end] + _TAB + navbar[end:]
