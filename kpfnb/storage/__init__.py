"""Storage: folders and files on rclone's remotes and on local disks, by one class.

    results = storage.at("data:mask/config/2015-10-16") / "complete/reduce"
    print(results.download("here"))
    storage.carry("here", "backup:mask", mirror=True)

`data` and `backup` are names in the setting `remotes`, each with rclone's own name of a place, as
`nautilus:bucket/folder`; rclone's configuration or environment has the credentials.
"""

from kpfnb.storage.addresses import at
from kpfnb.storage.carried import Carried, Item, State, join
from kpfnb.storage.carrying import carry
from kpfnb.storage.listing import Entry
from kpfnb.storage.location import Location
from kpfnb.storage.trouble import StorageError, Trouble

__all__ = [
    "Carried",
    "Entry",
    "Item",
    "Location",
    "State",
    "StorageError",
    "Trouble",
    "at",
    "carry",
    "join",
]
