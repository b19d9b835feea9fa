"""What forms suggest of the datasets on this machine. Nothing is listed over a network."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

from kpfnb.notebook.form.suggestions import register_suggestions

DATASET_DEPTH = "*/*/*"


@register_suggestions("dataset", "datasets")
def suggest_datasets() -> dict[str, str]:
    """The datasets in the work directory, or on the remote `data` if it is a local directory.

    The configurations, mask/config, too: they stand for the joint coadds of their datasets.
    """
    from kpfnb.adap.products.dataset import DATASETS_FOLDER, select_dataset_names
    from kpfnb.core import settings

    values = settings.load_settings()
    folders = [values.work_dir / DATASETS_FOLDER, Path(values.remotes.get("data", ""))]
    paths = chain.from_iterable(
        (str(path.relative_to(folder)) for path in folder.glob(DATASET_DEPTH))
        for folder in folders
        if folder.is_absolute()
    )
    names = select_dataset_names(set(paths))
    configurations = sorted({name.rpartition("/")[0] for name in names})
    return dict.fromkeys([*names, *configurations], "")


@register_suggestions("source", "destination")
def suggest_remotes() -> dict[str, str]:
    """The remotes of the settings."""
    from kpfnb.core import settings

    return dict.fromkeys((f"{name}:" for name in settings.load_settings().remotes), "")
