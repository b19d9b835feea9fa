"""The live home page, the state that it asks for, and the pages that its fields lead to."""

from __future__ import annotations

import asyncio
from urllib.parse import quote

from jupyter_server.auth.decorator import authorized
from tornado import web

from kpfnb.core.errors import KpfnbError
from kpfnb.lab import content
from kpfnb.lab.actions import JsonHandler
from kpfnb.lab.home_state import StateAnswer, shared_state
from kpfnb.lab.pages import PageHandler
from kpfnb.notebook.links import FILES


class HomeHandler(PageHandler):
    """The page itself; its script fills it."""

    @property
    def content_security_policy(self) -> str:
        """Only scripts and answers of this server."""
        return content.build_policy(scripts="'self'", connections="'self'")

    @web.authenticated
    @authorized
    def get(self) -> None:
        """Send the page."""
        from kpfnb.runs import formatting

        template = formatting.template_environment().get_template("home.html")
        page = template.render(
            title="kpfnb",
            base=self.lab_url,
            lab=f"{self.base_url}lab/tree/",
            token=self.xsrf_token.decode(),
            style=formatting.stylesheet() + formatting.template_source("home.css"),
            policy=self.content_security_policy.replace("; frame-ancestors 'self'", ""),
        )
        self.set_header("Content-Type", content.HTML_TYPE)
        self.set_header("Cache-Control", "no-store")
        self.finish(page)


class StateHandler(JsonHandler):
    """The state as JSON; 304 if the page has it already."""

    @web.authenticated
    @authorized
    async def get(self, name: str) -> None:
        """Send it."""
        state = shared_state()
        read = {"state": state.read, "calendar": state.read_calendar, "stars": _read_stars}[name]
        answer: StateAnswer = await asyncio.to_thread(read)
        self.set_header("Content-Type", "application/json")
        self.set_header("Cache-Control", "private, no-cache")
        self.set_header("ETag", answer.etag)
        if self.check_etag_header():
            self.set_status(304)
            self.finish()
            return
        self.finish(answer.body)


class StarHandler(PageHandler):
    """The page of a star, made anew."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Redirect to it; for an unknown name say which are known."""
        from kpfnb.kpf.timeseries.star import write_star_page

        name = self.get_query_argument("name", "").strip()
        try:
            page = await asyncio.to_thread(write_star_page, name)
        except KpfnbError as error:
            self.set_status(404)
            self.show_message(f"Star {name}", str(error))
            return
        self.redirect(self.lab_url + f"{FILES}/" + quote(str(page.absolute()).lstrip("/")))


def _read_stars() -> StateAnswer:
    """The names of the stars in the time-series database, for the field of the page."""
    from kpfnb.kpf.timeseries.star_names import list_stars
    from kpfnb.lab.home_state import encode_state

    try:
        names = [star.name for star in list_stars()]
    except KpfnbError:
        names = []
    return encode_state(names)


HANDLERS = [
    (r"/", HomeHandler),
    (r"/api/(state|calendar|stars)", StateHandler),
    (r"/star", StarHandler),
]
