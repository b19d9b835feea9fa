"""Storage: folders and files on rclone's remotes and on local disks, by one class.

    results = storage.at("data:mask/config/2015-10-16") / "complete/reduce"
    print(results.download("here"))
    storage.carry("here", "backup:mask", mirror=True)

`data` and `backup` are names in the setting `remotes`, each with rclone's own name of a place, as
`nautilus:bucket/folder`; rclone's configuration or environment has the credentials.
"""

from kpfnb.storage.errors import StorageError, StorageErrorKind
from kpfnb.storage.location import Location, resolve_location
from kpfnb.storage.paths import StorageEntry
from kpfnb.storage.transfer import transfer_files
from kpfnb.storage.transfer_result import FileOutcome, FileTransfer, TransferResult, merge_results

__all__ = [
    "TransferResult",
    "StorageEntry",
    "FileTransfer",
    "Location",
    "FileOutcome",
    "StorageError",
    "StorageErrorKind",
    "resolve_location",
    "transfer_files",
    "merge_results",
]
