"""Files and directories on rclone remotes and on local disks, behind one class, `Location`.

    results = storage.resolve_location("data:mask/config/2015-10-16") / "complete/reduce"
    print(storage.transfer_files(results, "reduce"))
    storage.transfer_files("reduce", "backup:mask", mirror=True)

`data` and `backup` are names in the setting `remotes`. Each maps to an rclone path such as
`nautilus:bucket/directory`. Credentials stay in rclone's configuration or environment.
"""

from kpfnb.storage.errors import StorageError, StorageErrorKind
from kpfnb.storage.location import Location, resolve_location
from kpfnb.storage.paths import StorageEntry
from kpfnb.storage.transfer import transfer_files
from kpfnb.storage.transfer_result import FileOutcome, FileTransfer, TransferResult, merge_results

__all__ = [
    "FileOutcome",
    "FileTransfer",
    "Location",
    "StorageEntry",
    "StorageError",
    "StorageErrorKind",
    "TransferResult",
    "merge_results",
    "resolve_location",
    "transfer_files",
]
