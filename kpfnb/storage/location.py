"""A place in storage: a folder or file on a remote of the settings, or on a local disk."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kpfnb.errors import BadInput, KpfnbError
from kpfnb.storage import disk, names, rclone, trouble
from kpfnb.storage.listing import Entry, matches
from kpfnb.storage.trouble import Trouble

if TYPE_CHECKING:
    from kpfnb.storage.carried import Carried

NO_FOLDER, NO_FILE = 3, 4
"""Exit codes of rclone."""
PREFERRED_HASHES = ("md5", "sha1", "sha256")
LONGEST_TEXT = 50_000_000


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
        added = names.check(os.fspath(below))
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
    ) -> Sequence[Entry]:
        """The files and folders in this folder, by name; those below it too, if `recursive`.

        if_there : a folder that is not there has nothing in it

        Raises
        ------
        BadInput : it is not there
        StorageError : the storage can't be read
        """
        if self.is_local:
            if if_there and not self.exists():
                return []
            return sorted(self._on_disk(depth or (0 if recursive else 1)))
        options = ["--no-mimetype", "--no-modtime", rclone.FOLLOW]
        options += ["--recursive"] if recursive or depth > 1 else []
        options += [f"--max-depth={depth}"] if depth else []
        answer = rclone.ask("lsjson", self.argument, options=options)
        if if_there and answer.exit_code in (NO_FOLDER, NO_FILE):
            return []
        rows = self._parsed(answer)
        return sorted(Entry(row["Path"], row["Size"], row["IsDir"]) for row in rows)

    def glob(self, pattern: str) -> Sequence[Location]:
        """The files and folders that match, by name: `*` and `?` in a name, `**` for any folders.

        A name that matches and may not be carried is a `BadInput`; a missing folder has none.
        """
        parts = pattern.split("/")
        depth = 0 if "**" in parts else len(parts)
        if self.kind() != "folder":
            return []
        found = self.list(recursive=depth == 0, depth=depth)
        return [self / one.path for one in found if matches(one.path, pattern)]

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
        """Bytes of the file, or of all files below the folder. `BadInput` if it is not there."""
        kind = self.kind()
        if not kind:
            raise trouble.error(Trouble.NOT_FOUND, f"{self} is not there")
        if self.is_local and kind == "file":
            return Path(self.argument).stat().st_size
        return int(self._json("size", ["--json", rclone.FOLLOW])["bytes"])

    def hash(self, kind: str = "") -> str:
        """The file's hash as hexadecimal digits, of the kind named (default: `hash_types[0]`).

        '' where the storage does not know it. `BadInput` if it is no file.
        """
        self._must_be_file()
        options = ["--hash", f"--hash-type={kind or self.hash_types[0]}"]
        (row,) = self._json("lsjson", [*options, "--no-modtime", rclone.FOLLOW])
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
        if size > LONGEST_TEXT:
            raise BadInput(f"{self} has {size} bytes", "download it instead")
        content = self._content()
        if len(content) != size:
            raise trouble.error(Trouble.NETWORK, f"{self} came in parts only")
        try:
            return content.decode()
        except UnicodeDecodeError:
            raise BadInput(f"{self} is not text", "download it instead") from None

    def download(self, destination: str | Path | Location, **options: Any) -> Carried:
        """Bring the file or folder here; see `kpfnb.storage.carry` for the options."""
        from kpfnb.storage.carrying import carry

        return carry(self, destination, **options)

    def upload(self, source: str | Path | Location, **options: Any) -> Carried:
        """Bring a file or folder to this place; see `kpfnb.storage.carry` for the options."""
        from kpfnb.storage.carrying import carry

        return carry(source, self, **options)

    def sync(self, source: str | Path | Location, **options: Any) -> Carried:
        """Make this folder the same as `source`: what it has not is deleted, after all else."""
        from kpfnb.storage.carrying import carry

        return carry(source, self, mirror=True, **options)

    def delete(self) -> None:
        """Delete the file, or the folder with all that is in it; nothing there is fine.

        `BadInput` for a whole remote, or a local root.
        """
        if self.argument.rstrip("/") in ("", self._root.rstrip("/")) or (
            self.label and not self.path
        ):
            raise BadInput(f"{self} is a whole storage", "name a folder in it")
        kind = self.kind()
        if kind:
            self._refuse(rclone.ask("deletefile" if kind == "file" else "purge", self.argument))

    def _on_disk(self, depth: int) -> Iterator[Entry]:
        try:
            yield from (Entry(*found) for found in disk.entries(self.argument, depth=depth))
        except OSError as error:
            raise self._disk_error(error) from error

    def _disk_error(self, error: OSError) -> KpfnbError:
        kind = trouble.classify(str(error))
        about = error.filename if error.filename != self.argument else ""
        return trouble.error(kind, f"{self}: {kind} ({error.strerror}{about and f': {about}'})")

    def _content(self) -> bytes:
        if self.is_local:
            try:
                return Path(self.argument).read_bytes()
            except OSError as error:
                raise self._disk_error(error) from error
        answer = rclone.ask("cat", self.argument)
        self._refuse(answer)
        return answer.output

    @property
    def _root(self) -> str:
        return "/" if self.is_local else self.base.partition(":")[0] + ":"

    def _file_size(self) -> int:
        if self.is_local:
            self._must_be_file()
            return self.size()
        found = self._stat()
        if not found or found[0]["IsDir"]:
            self._must_be_file()
        return int(found[0]["Size"])

    def _stat(self) -> Sequence[dict[str, Any]]:
        return self._rows(["--stat", rclone.FOLLOW])

    def _rows(self, options: Sequence[str]) -> Sequence[dict[str, Any]]:
        """What `lsjson` tells; nothing where there is nothing."""
        answer = rclone.ask("lsjson", self.argument, options=options)
        if answer.exit_code in (NO_FOLDER, NO_FILE):
            return []
        # An error about one thing in a folder does not unmake it
        if not answer.output.rstrip().endswith((b"}", b"]")):
            self._refuse(answer)
        found = json.loads(answer.output)
        return [found] if isinstance(found, dict) else found

    def _must_be_file(self) -> None:
        kind = self.kind()
        if kind != "file":
            raise BadInput(f"{self} is {'a folder' if kind else 'not there'}", "name a file")

    def _json(self, command: str, options: Sequence[str]) -> Any:
        return self._parsed(rclone.ask(command, self.argument, options=options))

    def _parsed(self, answer: rclone.Answer) -> Any:
        self._refuse(answer)
        return json.loads(answer.output)

    def _refuse(self, answer: rclone.Answer) -> None:
        """Raise what stands behind an exit code."""
        if answer.exit_code:
            kind = trouble.classify(answer.words.last, answer.exit_code)
            raise trouble.error(kind, f"{self}: {kind} ({answer.words.last})")


@cache
def _features(root: str) -> dict[str, Any]:
    """What the storage can do; asked once in a process."""
    told = Location(root)._parsed(rclone.ask("backend", "features", root))
    return {"Hashes": told["Hashes"], "EmptyFolders": told["Features"]["CanHaveEmptyDirectories"]}
