"""Answers of JupyterLab's server: the pages and files of kpfnb, for whoever is logged in.

A path of the disk is a path of the URL, so that the relative links between pages hold.
"""

from __future__ import annotations

from collections.abc import Awaitable
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import JupyterHandler
from tornado import web
from tornado.web import HTTPError, StaticFileHandler

import kpfnb
from kpfnb.core import settings
from kpfnb.core.errors import InvalidInputError, KpfnbError
from kpfnb.core.settings import Settings
from kpfnb.lab import PREFIX, content, roots
from kpfnb.notebook.links import FILES
from kpfnb.runs.actions import PageAction

INDEX = "index.html"
STATIC_DIR = Path(__file__).with_name("static")
QUICKLOOK_NOTEBOOK = "quicklook"


class PageHandler(JupyterHandler):
    """An answer of kpfnb; subclasses decorate their methods with `web.authenticated`.

    No script runs on a page unless its handler has a policy of its own.
    """

    auth_resource = "kpfnb"

    @property
    def content_security_policy(self) -> str:
        """The policy of pages without scripts."""
        return content.build_policy()

    @property
    def lab_url(self) -> str:
        """The path of kpfnb's pages, `/kpfnb/`."""
        return f"{self.base_url}{PREFIX}"

    def load_settings(self) -> Settings:
        """The current settings; an invalid one is the answer's error."""
        try:
            return settings.load_settings()
        except KpfnbError as error:
            raise HTTPError(500, "%s", str(error)) from None

    def show_message(self, title: str, message: str, action: PageAction | None = None) -> None:
        """Answer with a small page: what is the matter, what can be done, and the way home."""
        from markupsafe import Markup

        from kpfnb.runs import formatting, report

        style = formatting.stylesheet()
        template = formatting.template_environment().get_template("lab_message.html")
        page = template.render(
            title=title,
            message=message,
            action=action,
            home=self.lab_url,
            # The package's own style sheet
            style=Markup(style),  # noqa: S704
            policy=report.content_policy(style),
        )
        self.set_header("Content-Type", content.HTML_TYPE)
        self.finish(content.link_actions(page.encode(), self.lab_url))

    def write_error(self, status_code: int, **details: Any) -> None:
        """Answer with a page that says what is wrong."""
        error = (details.get("exc_info") or (None, None))[1]
        message = self._reason
        if isinstance(error, HTTPError) and error.log_message:
            message = error.log_message % error.args if error.args else error.log_message
        title = {403: "Not shown", 404: "Not found"}.get(status_code, f"Error {status_code}")
        self.set_header("Content-Security-Policy", self.content_security_policy)
        self.show_message(title, message)


class FileHandler(PageHandler, StaticFileHandler):
    """A file below the roots; HTML with its actions as links, anything else as it is.

    Tornado answers requests for a range, and those for what the browser has already (304).
    """

    page: bytes | None = None
    """The content of an HTML page."""
    file: Path
    """The file, all links followed."""

    def initialize(self) -> None:  # type: ignore[override]
        """Replace tornado's: the roots are in the settings."""
        self.root = "/"

    @web.authenticated
    @authorized
    async def get(  # type: ignore[override]
        self, path: str, include_body: bool = True
    ) -> None:
        """Send the file, or the index page of a directory."""
        await StaticFileHandler.get(self, path, include_body)

    @web.authenticated
    @authorized
    def head(self, path: str) -> Awaitable[None]:  # type: ignore[override]
        """Send only the headers."""
        return StaticFileHandler.get(self, path, include_body=False)

    @classmethod
    def get_absolute_path(cls, root: str, path: str) -> str:
        """Leave the path as it is: it is checked below."""
        return path

    def validate_absolute_path(self, root: str, absolute_path: str) -> str | None:
        """The real path of the file; None if a directory was redirected to its URL."""
        file = self.find(absolute_path)
        if file.is_dir():
            if not self.request.path.endswith("/"):
                self.redirect(self.request.path + "/")
                return None
            file = self.find(f"{absolute_path.rstrip('/')}/{INDEX}")
        self.file = file
        self._stat_result = file.stat()
        if self.get_content_type() == content.HTML_TYPE:
            self.page = content.link_actions(file.read_bytes(), self.lab_url)
        return str(file)

    def find(self, url_path: str) -> Path:
        """The real path of what is asked for; 403 or 404 if it can't be shown."""
        try:
            return roots.find_shown_path(url_path, roots.list_roots(self.load_settings()))
        except roots.PageRefusedError as error:
            raise HTTPError(403, "%s", str(error)) from None
        except roots.PageMissingError as error:
            raise HTTPError(404, "%s", str(error)) from None

    def get_content_type(self) -> str:
        """What the file is."""
        return content.find_content_type(self.file, self.load_settings())

    def get_content_size(self) -> int:
        """The number of bytes; those of an HTML page with its links."""
        return StaticFileHandler.get_content_size(self) if self.page is None else len(self.page)

    def get_content(  # type: ignore[override]
        self, abspath: str, start: int | None = None, end: int | None = None
    ) -> Any:
        """The bytes from `start` to `end`."""
        if self.page is not None:
            return self.page[start:end]
        return StaticFileHandler.get_content(abspath, start, end)

    def compute_etag(self) -> str | None:
        """The version of the file; the links of a page depend on kpfnb and the server as well."""
        if not hasattr(self, "_stat_result"):
            return None
        version = f"{self._stat_result.st_mtime_ns:x}-{self.get_content_size():x}"
        return f'"{version}-{kpfnb.__version__}"' if self.page else f'"{version}"'

    def set_extra_headers(self, path: str) -> None:
        """The policy of this type of file; the browser asks each time whether it has changed."""
        content_type = self.get_content_type()
        self.set_header("Cache-Control", "private, no-cache")
        self.set_header("Content-Security-Policy", self.find_policy(content_type))
        if content_type == content.DOWNLOAD_TYPE:
            self.set_header("Content-Disposition", "attachment")

    def find_policy(self, content_type: str) -> str:
        """The content security policy."""
        files_url = f"{self.request.host}{self.lab_url}{FILES}"
        return content.find_policy(self.file, content_type, self.load_settings(), files_url)


class StaticHandler(FileHandler):
    """A script, style sheet or picture of kpfnb's own."""

    types: ClassVar = content.TYPES | {".js": content.SCRIPT_TYPE}

    def find(self, url_path: str) -> Path:
        """The file in the package."""
        path = STATIC_DIR.resolve() / url_path
        try:
            return roots.find_shown_path(str(path).lstrip("/"), (STATIC_DIR.resolve(),))
        except (roots.PageRefusedError, roots.PageMissingError):
            raise HTTPError(404, "kpfnb has no file %s", url_path) from None

    def get_content_type(self) -> str:
        """What the file is, by its name."""
        return str(self.types.get(self.file.suffix, content.DOWNLOAD_TYPE))


class HomeRedirectHandler(PageHandler):
    """The address of the home page without its slash, as Jupyter gives it to the browser."""

    @web.authenticated
    @authorized
    def get(self) -> None:
        """Redirect to the home page."""
        self.redirect(self.lab_url)


class ObservationHandler(PageHandler):
    """The quicklook page of an observation."""

    @web.authenticated
    @authorized
    def get(self, obsid: str) -> None:
        """Redirect to the page; if there is none yet, offer to make it."""
        from kpfnb.kpf.quicklook.site import find_observation_page

        try:
            page = find_observation_page(obsid)
        except InvalidInputError as error:
            raise HTTPError(404, "%s", str(error)) from None
        if page:
            self.redirect(self.lab_url + f"{FILES}/" + quote(str(page.absolute()).lstrip("/")))
            return
        self.set_status(404)
        action = PageAction(
            "Make quicklook", QUICKLOOK_NOTEBOOK, {"start": _moment(obsid), "end": _moment(obsid)}
        )
        self.show_message(obsid, f"There is no quicklook page of {obsid} yet.", action)


def _moment(obsid: str) -> str:
    """The time of an observation as the quicklook takes it."""
    return obsid.removeprefix("KP.")


HANDLERS = [
    (r"", HomeRedirectHandler),
    (rf"/{FILES}/(.*)", FileHandler),
    (r"/static/(.*)", StaticHandler),
    (r"/observation/([^/]+)", ObservationHandler),
]
