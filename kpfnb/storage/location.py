"""A place in storage: a folder or file on a remote of the settings, or on a local disk."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kpfnb.core import settings
from kpfnb.core.errors import InvalidInputError, InvalidSettingsError, KpfnbError
from kpfnb.storage import errors, local_files, paths, rclone
from kpfnb.storage.errors import StorageErrorKind
from kpfnb.storage.paths import StorageEntry, matches_pattern

if TYPE_CHECKING:
    from kpfnb.storage.transfer_result import TransferResult

NO_FOLDER, NO_FILE = 3, 4
"""Exit codes of rclone."""
PREFERRED_HASHES = ("md5", "sha1", "sha256")
MAX_TEXT_BYTES = 50_000_000


@dataclass(frozen=True)
class Location:
    """A file or folder, by its place alone: it need not be there. Made by `at`, joined with `/`.

    Attributes
    ----------
    base : what rclone knows the beginning by: `remote:bucket/prefix`, or a local folder
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
        """The place as rclone wants it; it begins with `/` or `remote:`, never with `-`."""
        if not self.path:
            return self.base
        return f"{self.base}{'' if self.base.endswith((':', '/')) else '/'}{self.path}"

    @property
    def is_local(self) -> bool:
        """True for a path on this machine."""
        return self.base.startswith("/")

    @property
    def name(self) -> str:
        """The last part."""
        return self.argument.rstrip("/").rpartition("/")[2].rpartition(":")[2]

    def list(
        self, *, recursive: bool = False, depth: int = 0, if_there: bool = False
    ) -> Sequence[StorageEntry]:
        """The files and folders in this folder, by name; those below it too, if `recursive`.

        if_there : a folder that is not there has nothing in it

        Raises
        ------
        InvalidInputError : it is not there
        StorageError : the storage can't be read
        """
        if self.is_local:
            if if_there and not self.exists():
                return []
            return sorted(self._list_local(depth or (0 if recursive else 1)))
        options = ["--no-mimetype", "--no-modtime", rclone.FOLLOW_LINKS]
        options += ["--recursive"] if recursive or depth > 1 else []
        options += [f"--max-depth={depth}"] if depth else []
        answer = rclone.run_command("lsjson", self.argument, options=options)
        if if_there and answer.exit_code in (NO_FOLDER, NO_FILE):
            return []
        rows = self._parse_json(answer)
        return sorted(StorageEntry(row["Path"], row["Size"], row["IsDir"]) for row in rows)

    def glob(self, pattern: str) -> Sequence[Location]:
        """The files and folders that match, by name: `*` and `?` in a name, `**` for any folders.

        A name that matches and may not be carried is a `InvalidInputError`; a missing folder has none.
        """
        parts = pattern.split("/")
        depth = 0 if "**" in parts else len(parts)
        if self.kind() != "folder":
            return []
        found = self.list(recursive=depth == 0, depth=depth)
        return [self / one.path for one in found if matches_pattern(one.path, pattern)]

    def kind(self) -> str:
        """`file`, `folder`, or '' where there is nothing; a folder of an S3 storage has files."""
        if self.is_local:
            # Asked often, and the system knows it without a program
            path = self.argument
            return "folder" if os.path.isdir(path) else "file" if os.path.isfile(path) else ""  # noqa: PTH112, PTH113
        if not _features(self._root)["EmptyFolders"]:
            # There rclone takes everything for a folder: only what is in it tells
            found = self._rows(["--no-mimetype", "--no-modtime"])
            is_one = len(found) == 1 and found[0]["Path"] == self.name and not found[0]["IsDir"]
            if not is_one:
                return "folder" if found else ""
        found = self._stat()
        return ("folder" if found[0]["IsDir"] else "file") if found else ""

    def exists(self) -> bool:
        """True where there is a file or a folder."""
        return bool(self.kind())

    def size(self) -> int:
        """Bytes of the file, or of all files below the folder. `InvalidInputError` if it is not there."""
        kind = self.kind()
        if not kind:
            raise errors.make_storage_error(StorageErrorKind.NOT_FOUND, f"{self} is not there")
        if self.is_local and kind == "file":
            return Path(self.argument).stat().st_size
        return int(self._run_json("size", ["--json", rclone.FOLLOW_LINKS])["bytes"])

    def hash(self, kind: str = "") -> str:
        """The file's hash as hexadecimal digits, of the kind named (default: `hash_types[0]`).

        '' where the storage does not know it. `InvalidInputError` if it is no file.
        """
        self._require_file()
        options = ["--hash", f"--hash-type={kind or self.hash_types[0]}"]
        (row,) = self._run_json("lsjson", [*options, "--no-modtime", rclone.FOLLOW_LINKS])
        return str(next(iter(row.get("Hashes", {}).values()), ""))

    @property
    def hash_types(self) -> Sequence[str]:
        """The hashes that this storage knows, the preferred ones first."""
        if self.is_local:
            return PREFERRED_HASHES
        known: Sequence[str] = _features(self._root)["Hashes"]
        return sorted(known, key=lambda kind: (kind not in PREFERRED_HASHES, known.index(kind)))

    def read_text(self) -> str:
        """What is in the file (UTF-8, at most 50 MB); its length is checked."""
        size = self._file_size()
        if size > MAX_TEXT_BYTES:
            raise InvalidInputError(f"{self} has {size} bytes", "download it instead")
        content = self._read_bytes()
        if len(content) != size:
            raise errors.make_storage_error(StorageErrorKind.NETWORK, f"{self} came in parts only")
        try:
            return content.decode()
        except UnicodeDecodeError:
            raise InvalidInputError(f"{self} is not text", "download it instead") from None

    def download(self, destination: str | Path | Location, **options: Any) -> TransferResult:
        """Bring the file or folder here; see `kpfnb.storage.carry` for the options."""
        from kpfnb.storage.transfer import transfer_files

        return transfer_files(self, destination, **options)

    def upload(self, source: str | Path | Location, **options: Any) -> TransferResult:
        """Bring a file or folder to this place; see `kpfnb.storage.carry` for the options."""
        from kpfnb.storage.transfer import transfer_files

        return transfer_files(source, self, **options)

    def sync(self, source: str | Path | Location, **options: Any) -> TransferResult:
        """Make this folder the same as `source`: what it has not is deleted, after all else."""
        from kpfnb.storage.transfer import transfer_files

        return transfer_files(source, self, mirror=True, **options)

    def delete(self) -> None:
        """Delete the file, or the folder with all that is in it; nothing there is fine.

        `InvalidInputError` for a whole remote, or a local root.
        """
        if self.argument.rstrip("/") in ("", self._root.rstrip("/")) or (
            self.label and not self.path
        ):
            raise InvalidInputError(f"{self} is a whole storage", "name a folder in it")
        kind = self.kind()
        if kind:
            self._raise_on_error(
                rclone.run_command("deletefile" if kind == "file" else "purge", self.argument)
            )

    def _list_local(self, depth: int) -> Iterator[StorageEntry]:
        try:
            yield from (
                StorageEntry(*found)
                for found in local_files.list_entries(self.argument, depth=depth)
            )
        except OSError as error:
            raise self._local_error(error) from error

    def _local_error(self, error: OSError) -> KpfnbError:
        kind = errors.classify_error(str(error))
        about = error.filename if error.filename != self.argument else ""
        return errors.make_storage_error(
            kind, f"{self}: {kind} ({error.strerror}{about and f': {about}'})"
        )

    def _read_bytes(self) -> bytes:
        if self.is_local:
            try:
                return Path(self.argument).read_bytes()
            except OSError as error:
                raise self._local_error(error) from error
        answer = rclone.run_command("cat", self.argument)
        self._raise_on_error(answer)
        return answer.output

    @property
    def _root(self) -> str:
        return "/" if self.is_local else self.base.partition(":")[0] + ":"

    def _file_size(self) -> int:
        if self.is_local:
            self._require_file()
            return self.size()
        found = self._stat()
        if not found or found[0]["IsDir"]:
            self._require_file()
        return int(found[0]["Size"])

    def _stat(self) -> Sequence[dict[str, Any]]:
        return self._rows(["--stat", rclone.FOLLOW_LINKS])

    def _rows(self, options: Sequence[str]) -> Sequence[dict[str, Any]]:
        """What `lsjson` tells; nothing where there is nothing."""
        answer = rclone.run_command("lsjson", self.argument, options=options)
        if answer.exit_code in (NO_FOLDER, NO_FILE):
            return []
        # An error about one thing in a folder does not unmake it
        if not answer.output.rstrip().endswith((b"}", b"]")):
            self._raise_on_error(answer)
        found = json.loads(answer.output)
        return [found] if isinstance(found, dict) else found

    def _require_file(self) -> None:
        kind = self.kind()
        if kind != "file":
            raise InvalidInputError(
                f"{self} is {'a folder' if kind else 'not there'}", "name a file"
            )

    def _run_json(self, command: str, options: Sequence[str]) -> Any:
        return self._parse_json(rclone.run_command(command, self.argument, options=options))

    def _parse_json(self, answer: rclone.CompletedRclone) -> Any:
        self._raise_on_error(answer)
        return json.loads(answer.output)

    def _raise_on_error(self, answer: rclone.CompletedRclone) -> None:
        """Raise what stands behind an exit code."""
        if answer.exit_code:
            kind = errors.classify_error(answer.messages.last_message, answer.exit_code)
            raise errors.make_storage_error(
                kind, f"{self}: {kind} ({answer.messages.last_message})"
            )


@cache
def _features(root: str) -> dict[str, Any]:
    """What the storage can do; asked once in a process."""
    told = Location(root)._parse_json(rclone.run_command("backend", "features", root))
    return {"Hashes": told["Hashes"], "EmptyFolders": told["Features"]["CanHaveEmptyDirectories"]}


# Places by the names that people give them: `remote:path/below`, or a local path.

# No connection string (`:s3,secret=...:`): settings are shown to people
_SPEC = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+@ -]*:[^\x00-\x1f]*|/[^\x00-\x1f]*")


def resolve_location(place: str | Path | Location) -> Location:
    """The place named `remote:path/below` (a remote of the settings), or by a local path.

    Raises
    ------
    InvalidInputError : no such remote, or a character that is not allowed
    InvalidSettingsError : the remote's entry in the settings can't be used
    """
    if isinstance(place, Location):
        return place
    label, colon, below = str(place).partition(":")
    if isinstance(place, Path) or not colon or "/" in label:
        return _local_location(str(place))
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
    if not _SPEC.fullmatch(base):
        raise InvalidSettingsError(
            f"remote {label}: can't be used",
            "write remotes as rclone-remote:bucket/folder, credentials in rclone's configuration",
        )
    top = Location(base if base.endswith((":", "/")) else base.rstrip("/"), label=label)
    return top / below.rstrip("/") if below.rstrip("/") else top


def _local_location(path: str) -> Location:
    full = os.path.abspath(os.path.expanduser(path))  # noqa: PTH100, PTH111
    if not full.isprintable():
        raise InvalidInputError(
            f"{path!a} has characters that nobody can see", "name another place"
        )
    return Location(full)
