"""The programs that `aikeys demo` runs: files of their own beside its vault, which know nothing of aikeys.

They use nothing but Python itself. With --keep they stay, to be read and run again.
"""

from __future__ import annotations

MOST_CALLS = 1000
"""After so many calls nothing has stopped the loop, and the demo has failed."""

APP = """\
import os

key = os.environ["OPENAI_API_KEY"]
print(f"OPENAI_API_KEY has {len(key)} characters and ends in {key[-4:]}")
print("OPENAI_BASE_URL is", os.environ["OPENAI_BASE_URL"])
"""

AGENT = f'''\
"""Asks a model where OPENAI_BASE_URL says, with OPENAI_API_KEY, as any SDK does. --forever: eight askers, no end."""

import json
import os
import sys
import threading
from decimal import Decimal
from urllib.error import HTTPError
from urllib.request import Request, urlopen

URL = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
HEADERS = {{"authorization": "Bearer " + os.environ["OPENAI_API_KEY"], "content-type": "application/json"}}
QUESTION = "The build failed again. Try something else, then tell me whether it works now."
ASKED = {{"model": "openai/gpt-4.1", "max_tokens": 150, "messages": [{{"role": "user", "content": QUESTION}}]}}

lock = threading.Lock()
costs = []
refusals = []


def ask():
    with urlopen(Request(URL, json.dumps(ASKED).encode(), HEADERS), timeout=60) as reply:
        return json.load(reply), Decimal(reply.headers["x-aikeys-cost-usd"])


def told(refused):
    error = json.load(refused)["error"]
    return f"{{refused.code}} {{error['code']}}: {{error['message']}}"


def forever():
    while not refusals and len(costs) < {MOST_CALLS}:
        try:
            cost = ask()[1]
        except HTTPError as refused:
            with lock:
                refusals.append(told(refused))
            return
        with lock:
            costs.append(cost)
            if len(costs) % 10 == 0:
                print(f"{{len(costs)}} calls passed, $" + str(sum(costs)))


def once():
    try:
        reply, cost = ask()
    except HTTPError as refused:
        sys.exit(told(refused))
    print(reply["choices"][0]["message"]["content"])
    print(f"x-aikeys-cost-usd: {{cost}}")


if "--forever" in sys.argv:
    askers = [threading.Thread(target=forever) for _ in range(8)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    print(f"stopped after {{len(costs)}} calls, ${{sum(costs)}}")
    sys.exit(refusals[0] if refusals else "nothing stopped me")
else:
    once()
'''
