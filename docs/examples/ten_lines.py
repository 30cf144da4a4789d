"""From a folder to a verified total: what a platform's engineer writes.

Run it beside a sandbox (docs/examples/bank/README.md), and let a robot decide on the printed code.
"""

import sys
import time

from consent.parties import open_platform
from consent.platform import Wanted
from vault.months import Month

# begin
bank = open_platform("sandbox/bank.sandbox")
first, last = Month("2026-01"), Month("2026-03")
wanted = Wanted.under("GREEN-LOAN-RATE", first, last, zh="用于确定贷款利率", en="to set your rate")
pushed = bank.ask(wanted)
print("The person opens this code in their own app:", pushed.code, flush=True)
while (found := bank.outcome(pushed)).state == "open":
    time.sleep(1)
grant = bank.grant(found.grant or sys.exit(f"The request is {found.state}."))
total = bank.total(grant.grant, grant.windows[0], patience=60)
print(total.grams, "g, checked against:", total.checked)
# end
