"""What a job scheduler writes into the output of a job that it ends."""

import re

from vlad.records.outcome import Cause
from vlad.records.wording import Wording

CANCELLED = re.compile(r".*\bCANCELLED AT \S+ DUE TO (?P<why>TIME LIMIT|PREEMPTION|NODE FAILURE)\b.*")
CANCELLED_FOR = {
    "TIME LIMIT": (Cause.TIME_LIMIT, Wording("its time limit was reached, and the job scheduler ended it")),
    "PREEMPTION": (Cause.PREEMPTED, Wording("the job scheduler ended it for a job of higher priority")),
    "NODE FAILURE": (Cause.LOST_NODE, Wording("the job scheduler ended it because a node failed")),
}
