from __future__ import annotations

import os
import signal

from hypothesis import settings

# A slow machine is no failure, and the same examples run everywhere.
settings.register_profile("house", deadline=None, derandomize=True, database=None)
# The long tier draws anew, from the seed it is given and writes down.
settings.register_profile("deep", deadline=None, database=None, max_examples=2000)
settings.load_profile("deep" if os.environ.get("CARBONVAULT_DEEP") else "house")

# Started in the background by a shell, we ignore Ctrl-C, and so would the servers that tests start
# and stop by it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
