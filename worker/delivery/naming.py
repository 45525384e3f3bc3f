"""The transactional id of a worker."""

from uuid import uuid4

from worker.settings.schema import Settings


def transactional_id(settings: Settings) -> str:
    """Return this worker's transactional id: see docs/decisions/0007."""
    instance = settings.group_instance_id or uuid4().hex
    return settings.transactional_id or f"{settings.group_id}.{instance}"
