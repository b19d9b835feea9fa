"""One location in storage: a file or directory on a remote of the settings, or on a local disk."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from kpfnb.core import settings
from kpfnb.core.errors import InvalidInputError, InvalidSettingsError, KpfnbError
from kpfnb.storage import errors, local_files, paths, rclone
from kpfnb.storage.errors import StorageErrorKind
from kpfnb.storage.paths import StorageEntry, matches_pattern

NO_FOLDER, NO_FILE = 3, 4
"""Exit codes of rclone."""
PREFERRED_HASHES = ("md5", "sha1", "sha256")
MAX_TEXT_BYTES = 50_000_000

# No connection string (`:s3,secret=...:`): settings are shown to people
_REMOTE_PATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+@ -]*:[^\x00-\x1f]*|/[^\x00-\x1f]*")


@dataclass(frozen=True)
class Location:
    """The location of a file or directory, which need not exist.

    Create one with `resolve_location`; join path segments to it with `/`.

    Attributes
    ----------
    base : as rclone spells it: `remote:bucket/prefix`, or a local directory
    path : below the base, of allowed characters only; '' for the base itself
    label : the remote's name in the settings; '' for a local path
    """

    base: str
    path: str = ""
    label: str = ""

    def __truediv__(self, below: str | os.PathLike[str]) -> Location:
        added = paths.check_path(os.fspath(below))
        return Location(self.base, f"{self.path}/{added}" if self.path else added, self.label)

    def __str__(self) -> str:
        return f"{self.label}:{self.path}" if self.label else self.argument

    @property
    def argument(self) -> str:
        """The location as an argument for rclone; begins with `/` or `remote:`, never with `-`."""
        if not self.path:
            return self.base
        return f"{self.base}{'' if self.base.endswith((':', '/')) else '/'}{self.path}"

    @property
    def is_local(self) -> bool:
        """True for a path on this machine."""
        return self.base.startswith("/")

    @property
    def name(self) -> str:
        """The last segment of the path."""
        return self.argument.rstrip("/").rpartition("/")[2].rpartition(":")[2]

    def list(
        self, *, recursive: bool = False, depth: int = 0, missing_ok: bool = False
    ) -> Sequence[StorageEntry]:
        """List the files and directories in this directory, sorted by name.

        Parameters
        ----------
        recursive : list all levels below it
        depth : list this many levels (0: one level, or all with `recursive`)
        missing_ok : return an empty list for a directory that does not exist

        Raises
        ------
        InvalidInputError : it does not exist
        StorageError : the storage can't be read
        """
        if self.is_local:
            if missing_ok and not self.exists():
                return []
            return sorted(self._list_local(depth or (0 if recursive else 1)))
        options = ["--no-mimetype", "--no-modtime", rclone.FOLLOW_LINKS]
        options += ["--recursive"] if recursive or depth > 1 else []
        options += [f"--max-depth={depth}"] if depth else []
        completed = rclone.run_command("lsjson", self.argument, options=options)
        if missing_ok and completed.exit_code in (NO_FOLDER, NO_FILE):
            return []
        rows = self._parse_json(completed)
        return sorted(StorageEntry(row["Path"], row["Size"], row["IsDir"]) for row in rows)

    def glob(self, pattern: str) -> Sequence[Location]:
        """List the files and directories that match a pattern, sorted by name.

        `*` and `?` match within a name, `**` matches any number of directories. A directory that
        does not exist has no matches. `InvalidInputError` for a matching name that is not allowed.
        """
        segments = pattern.split("/")
        depth = 0 if "**" in segments else len(segments)
        if self.kind() != "folder":
            return []
        entries = self.list(recursive=depth == 0, depth=depth)
        return [self / entry.path for entry in entries if matches_pattern(entry.path, pattern)]

    def kind(self) -> str:
        """`file`, `folder`, or '' if nothing exists; an S3 directory exists if it has files."""
        if self.is_local:
            # Called often, and the system can tell without another program
            path = self.argument
            return "folder" if os.path.isdir(path) else "file" if os.path.isfile(path) else ""  # noqa: PTH112, PTH113
        if not _storage_features(self._root)["EmptyFolders"]:
            # Here rclone takes every path for a directory: only its content tells
            rows = self._list_rows(["--no-mimetype", "--no-modtime"])
            is_one_file = len(rows) == 1 and rows[0]["Path"] == self.name and not rows[0]["IsDir"]
            if not is_one_file:
                return "folder" if rows else ""
        rows = self._stat()
        return ("folder" if rows[0]["IsDir"] else "file") if rows else ""

    def exists(self) -> bool:
        """True if there is a file or a directory."""
        return bool(self.kind())

    def size(self) -> int:
        """Bytes of the file, or of all files below; `InvalidInputError` if it does not exist."""
        kind = self.kind()
        if not kind:
            raise errors.make_storage_error(StorageErrorKind.NOT_FOUND, f"{self} does not exist")
        if self.is_local and kind == "file":
            return Path(self.argument).stat().st_size
        return int(self._run_json("size", ["--json", rclone.FOLLOW_LINKS])["bytes"])

    def hash(self, kind: str = "") -> str:
        """The file's hash as hexadecimal digits, of the given kind (default: `hash_types[0]`).

        '' if the storage does not know it. `InvalidInputError` if it is not a file.
        """
        self._require_file()
        options = ["--hash", f"--hash-type={kind or self.hash_types[0]}"]
        (row,) = self._run_json("lsjson", [*options, "--no-modtime", rclone.FOLLOW_LINKS])
        return str(next(iter(row.get("Hashes", {}).values()), ""))

    @property
    def hash_types(self) -> Sequence[str]:
        """The kinds of hash that this storage knows, the preferred ones first."""
        if self.is_local:
            return PREFERRED_HASHES
        known: Sequence[str] = _storage_features(self._root)["Hashes"]
        return sorted(known, key=lambda kind: (kind not in PREFERRED_HASHES, known.index(kind)))

    def read_text(self) -> str:
        """The file's content (UTF-8, at most 50 MB); its length is checked."""
        size = self._file_size()
        if size > MAX_TEXT_BYTES:
            raise InvalidInputError(f"{self} has {size} bytes", "download it instead")
        content = self._read_bytes()
        if len(content) != size:
            raise errors.make_storage_error(StorageErrorKind.NETWORK, f"{self} was read in part")
        try:
            return content.decode()
        except UnicodeDecodeError:
            raise InvalidInputError(f"{self} is not text", "download it instead") from None

    def delete(self) -> None:
        """Delete the file, or the directory with all that is in it; nothing to delete is fine.

        `InvalidInputError` for a whole remote, or the root of a local disk.
        """
        if self.argument.rstrip("/") in ("", self._root.rstrip("/")) or (
            self.label and not self.path
        ):
            raise InvalidInputError(f"{self} is a whole storage", "name a directory in it")
        kind = self.kind()
        if kind:
            command = "deletefile" if kind == "file" else "purge"
            self._raise_on_error(rclone.run_command(command, self.argument))

    def _list_local(self, depth: int) -> Iterator[StorageEntry]:
        try:
            for entry in local_files.list_entries(self.argument, depth=depth):
                yield StorageEntry(*entry)
        except OSError as error:
            raise self._local_error(error) from error

    def _local_error(self, error: OSError) -> KpfnbError:
        kind = errors.classify_error(str(error))
        path = error.filename if error.filename != self.argument else ""
        return errors.make_storage_error(
            kind, f"{self}: {kind} ({error.strerror}{path and f': {path}'})"
        )

    def _read_bytes(self) -> bytes:
        if self.is_local:
            try:
                return Path(self.argument).read_bytes()
            except OSError as error:
                raise self._local_error(error) from error
        completed = rclone.run_command("cat", self.argument)
        self._raise_on_error(completed)
        return completed.output

    @property
    def _root(self) -> str:
        return "/" if self.is_local else self.base.partition(":")[0] + ":"

    def _file_size(self) -> int:
        if self.is_local:
            self._require_file()
            return self.size()
        rows = self._stat()
        if not rows or rows[0]["IsDir"]:
            self._require_file()
        return int(rows[0]["Size"])

    def _stat(self) -> Sequence[dict[str, Any]]:
        return self._list_rows(["--stat", rclone.FOLLOW_LINKS])

    def _list_rows(self, options: Sequence[str]) -> Sequence[dict[str, Any]]:
        """The rows of `lsjson`; none if nothing exists."""
        completed = rclone.run_command("lsjson", self.argument, options=options)
        if completed.exit_code in (NO_FOLDER, NO_FILE):
            return []
        # An error about one file in a directory does not invalidate the list
        if not completed.output.rstrip().endswith((b"}", b"]")):
            self._raise_on_error(completed)
        rows = json.loads(completed.output)
        return [rows] if isinstance(rows, dict) else rows

    def _require_file(self) -> None:
        kind = self.kind()
        if kind != "file":
            problem = "is a directory" if kind else "does not exist"
            raise InvalidInputError(f"{self} {problem}", "name a file")

    def _run_json(self, command: str, options: Sequence[str]) -> Any:
        return self._parse_json(rclone.run_command(command, self.argument, options=options))

    def _parse_json(self, completed: rclone.CompletedRclone) -> Any:
        self._raise_on_error(completed)
        return json.loads(completed.output)

    def _raise_on_error(self, completed: rclone.CompletedRclone) -> None:
        if completed.exit_code:
            message = completed.messages.last_message
            kind = errors.classify_error(message, completed.exit_code)
            raise errors.make_storage_error(kind, f"{self}: {kind} ({message})")


@cache
def _storage_features(root: str) -> dict[str, Any]:
    """What the storage supports; asked once in a process."""
    answer = Location(root)._parse_json(rclone.run_command("backend", "features", root))
    return {
        "Hashes": answer["Hashes"],
        "EmptyFolders": answer["Features"]["CanHaveEmptyDirectories"],
    }


def resolve_location(spec: str | Path | Location) -> Location:
    """The location that `remote:path/below` (a remote of the settings) or a local path names.

    Raises
    ------
    InvalidInputError : no such remote, or a character that is not allowed
    InvalidSettingsError : the remote's entry in the settings can't be used
    """
    if isinstance(spec, Location):
        return spec
    label, colon, below = str(spec).partition(":")
    if isinstance(spec, Path) or not colon or "/" in label:
        full_path = os.path.abspath(os.path.expanduser(spec))  # noqa: PTH100, PTH111
        if not full_path.isprintable():
            raise InvalidInputError(f"{str(spec)!a} has invisible characters", "use another path")
        return Location(full_path)
    remotes = settings.load_settings().remotes
    if label not in remotes:
        known = ", ".join(sorted(remotes)) or "none"
        raise InvalidInputError(
            f"no remote {label!a} in the settings (known: {known})",
            f'set KPFNB_REMOTES=\'{{"{label}": "rclone-remote:bucket/folder"}}\', or in kpfnb.toml'
            if not paths.invalid_path_reason(label)
            else "write remote:path/below",
        )
    base = os.path.expanduser(remotes[label])  # noqa: PTH111
    if not _REMOTE_PATH.fullmatch(base):
        raise InvalidSettingsError(
            f"remote {label}: can't be used",
            "write remotes as rclone-remote:bucket/folder, credentials in rclone's configuration",
        )
    top = Location(base if base.endswith((":", "/")) else base.rstrip("/"), label=label)
    return top / below.rstrip("/") if below.rstrip("/") else top
