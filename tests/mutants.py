"""RULES: every rule of the replay (protocol section 7), with mutants that only it should catch.

Not here, because they need witnesses: that `at` lies between the cosigned checkpoints around it,
and that the log is one and the same for everybody.
"""

from __future__ import annotations

from tests.mutants_directory import DIRECTORY_RULES
from tests.mutants_erasure import ERASURE_RULES
from tests.mutants_grants import GRANT_RULES
from tests.mutants_links import LINK_RULES
from tests.mutants_totals import TOTAL_RULES

RULES = [*DIRECTORY_RULES, *LINK_RULES, *GRANT_RULES, *TOTAL_RULES, *ERASURE_RULES]
