"""What a job scheduler writes into the output of a job that it ends."""

import re

from vlad.records.outcome import Cause

CANCELLED = re.compile(r".*\bCANCELLED AT \S+ DUE TO (?P<why>TIME LIMIT|PREEMPTION|NODE FAILURE)\b.*")
CANCELLED_FOR = {
    "TIME LIMIT": (Cause.TIME_LIMIT, "its time limit was reached, and the job scheduler ended it"),
    "PREEMPTION": (Cause.PREEMPTED, "the job scheduler ended it for a job of higher priority"),
    "NODE FAILURE": (Cause.LOST_NODE, "the job scheduler ended it because a node failed"),
}
