"""The `kpfnb` command line: a thin layer over the functions that the notebooks use."""


def main() -> None:
    """Run the command line; the entry point of the installed command."""
    from kpfnb.cli.app import main as run_command_line

    run_command_line()
