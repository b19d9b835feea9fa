"""What forms suggest of the work queue: the names of queues. No server is started for it."""

from __future__ import annotations

from kpfnb.notebook.form.suggestions import register_suggestions


@register_suggestions("queue")
def suggest_queues() -> dict[str, str]:
    """The queues on the server; none if it does not run."""
    from kpfnb.compute.services import valkey
    from kpfnb.core import settings
    from kpfnb.queue.client import list_queues

    if settings.load_settings().redis_url is None and not valkey.server_status().running:
        return {}
    return dict.fromkeys(list_queues(), "")
