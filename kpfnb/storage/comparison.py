"""Two places, of which one is to hold what the other has; how each file stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kpfnb.errors import BadInput
from kpfnb.storage import inventory, names
from kpfnb.storage.inventory import Inventory, Match
from kpfnb.storage.listing import Entry
from kpfnb.storage.location import Location
from kpfnb.storage.trouble import Failure, Trouble


@dataclass(frozen=True)
class Pair:
    """A source and a destination: two folders, or two files.

    Attributes
    ----------
    one_file : both are files; the path of the one file is the name of the source
    hash_type : what both storages know, as `md5`; '' where there is none
    read_back : compare the bytes, also where hashes are known
    """

    source: Location
    destination: Location
    one_file: bool
    hash_type: str
    read_back: bool = False

    @property
    def on_disks(self) -> bool:
        """True where both are local."""
        return self.source.is_local and self.destination.is_local

    def wanted(self, only: Iterable[str] | None) -> Inventory:
        """The files to carry; what is asked for and is not there, or not allowed, is a problem.

        `BadInput` where there is no file at all.
        """
        if only is None:
            found = inventory.take(self.source, hash_type=self.hash_type)
            if not (found.files or found.problems):
                raise BadInput(f"{self.source} holds no files", "nothing was done")
            return found
        problems = {}
        fine = []
        for path in dict.fromkeys(only):
            if wrong := names.defect(path):
                problems[path] = Failure(Trouble.REFUSED, wrong)
            else:
                fine.append(path)
        found = inventory.take(self.source, hash_type=self.hash_type, only=fine)
        lost = Failure(Trouble.NOT_FOUND, f"not in {self.source}")
        problems |= {path: lost for path in fine if path not in found.files}
        return Inventory(found.files, {**problems, **found.problems})

    def compare(
        self, files: Mapping[str, Entry], known: Inventory | None = None
    ) -> dict[str, Match]:
        """How each file of the source stands at the destination now, or as `known` tells."""
        if not files:
            return {}
        there = known.files if known else self._there(files)
        matches = {path: inventory.match(one, there.get(path)) for path, one in files.items()}
        doubtful = (Match.SAME, Match.UNKNOWN) if self.read_back else (Match.UNKNOWN,)
        again = [path for path, match in matches.items() if match in doubtful]
        return matches | self._compare_bytes(again)

    def _there(self, files: Mapping[str, Entry]) -> Mapping[str, Entry]:
        only = None if self.one_file else files
        found = inventory.take(self.destination, hash_type=self.hash_type, only=only).files
        # The file may have another name there
        return {path: one for path in files for one in found.values()} if self.one_file else found

    def _compare_bytes(self, paths: list[str]) -> dict[str, Match]:
        if not paths:
            return {}
        only = None if self.one_file else paths
        here, there = (
            inventory.read_again(place, only) for place in (self.source, self.destination)
        )
        if self.one_file:
            there = {path: digest for path in paths for digest in there.values()}
        same = {path for path in paths if path in here and here[path] == there.get(path)}
        return {path: Match.SAME if path in same else Match.DIFFERENT for path in paths}


def look(source: Location, destination: Location, *, read_back: bool) -> Pair:
    """The pair, if it can be one.

    Raises
    ------
    BadInput : nothing at the source; or one is a file, and the other a folder
    StorageError : a place can't be read
    """
    kind, there = source.kind(), destination.kind()
    if not kind:
        raise BadInput(f"{source} is not there", Trouble.NOT_FOUND.advice)
    if there and there != kind:
        raise BadInput(
            f"{source} is a {kind}, and {destination} a {there}",
            "name a folder for the files of a folder, and the new file for a file",
        )
    hash_type = inventory.common_hash(source, destination)
    return Pair(source, destination, kind == "file", hash_type, read_back)
