"""For models in a stub process of Triton's: laid out beside Triton's own utilities as `moat_leash`."""

import os
import threading
import time


def end_with_the_server():
    """A server that is killed would leave this process behind, with a model in memory for nobody."""
    server = os.getppid()

    def watch():
        while os.getppid() == server:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
