"""Do this machine, the cluster and the producers have the same time? Pure."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from worker.broker.contract import Record
from worker.commands.doctor.findings import Finding, failure, ok, skipped, warning

NOTICEABLE_S: Final = 5.0
REJECTED_S: Final = 3600.0  # by default a broker rejects records stamped further ahead of its own time
ADVICE: Final = (
    "Set the clocks by NTP: latency is measured with them, and a broker rejects stamps an hour ahead of its own"
)


def check_clock(cluster_s: float | None, here_s: float) -> Finding:
    """Compare this machine's time with the cluster's. Both are epoch seconds; None if the cluster's is unknown."""
    if cluster_s is None:
        advice = "Run doctor as a user with Describe on the cluster; the worker itself does not need it"
        return skipped("clock", "the cluster does not report its time to this user", advice)
    ahead_s = here_s - cluster_s
    if abs(ahead_s) < NOTICEABLE_S:
        return ok("clock", f"within {NOTICEABLE_S:.0f} s of the cluster's")
    side = "ahead of" if ahead_s > 0 else "behind"
    seen = f"this machine is {abs(ahead_s):.0f} s {side} the cluster (here it is {_shown(here_s)})"
    if ahead_s >= REJECTED_S:
        return failure("clock", f"{seen}: no result would be stored", ADVICE)
    return warning("clock", seen, ADVICE)


def check_stamps(records: Iterable[Record], here_s: float) -> Finding:
    """Look for records from the future. Stamps in the past prove nothing: perhaps no producer has written since."""
    stamps = [(record.timestamp_ms / 1000, record.partition.topic) for record in records if record.timestamp_ms]
    if not stamps:
        return skipped("timestamps", "the newest records have none")
    newest_s, topic = max(stamps)
    if newest_s - here_s < NOTICEABLE_S:
        return ok("timestamps", "none of the newest records is from the future")
    seen = f"{topic} has a record that is stamped {newest_s - here_s:.0f} s after the time here ({_shown(here_s)})"
    return warning("timestamps", seen, ADVICE)


def _shown(time_s: float) -> str:
    return datetime.fromtimestamp(time_s, UTC).isoformat(timespec="seconds")
