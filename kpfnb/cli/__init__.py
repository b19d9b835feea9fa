"""The `kpfnb` command: a thin layer over the functions that the notebooks use."""


def main() -> None:
    """Run the command line."""
    from kpfnb.cli import (  # noqa: F401
        archive,
        demo,
        drp,
        night,
        pipelines,
        prepare,
        queue,
        queue_admin,
        reduce,
        runs,
        services,
        tsdb,
        watch,
    )
    from kpfnb.cli.app import main as run_app
    from kpfnb.cli.doctor import command  # noqa: F401

    run_app()
