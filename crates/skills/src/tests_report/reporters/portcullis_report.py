"""A plugin of pytest that reports each test to the gateway, whatever is printed.

A record is a line of JSON behind a mark that no test knows. The processes that tests start have no mark,
and so report nothing.
"""

import json
import os

MAX_MESSAGE_BYTES = 2500

mark = os.environ.pop("PORTCULLIS_REPORT", "")
# Before pytest captures it.
output = os.dup(1) if mark and "PYTEST_XDIST_WORKER" not in os.environ else None


def write(**record):
    if output is not None:
        os.write(output, f"{mark}{json.dumps(record)}\n".encode())


def cut(text):
    return text.encode()[:MAX_MESSAGE_BYTES].decode(errors="ignore")


def message_of(report):
    crash = getattr(getattr(report, "longrepr", None), "reprcrash", None)
    return cut(crash.message if crash else getattr(report, "longreprtext", ""))


def pytest_sessionstart():
    write(event="begin", runner="pytest")


def pytest_runtest_logstart(nodeid):
    write(event="start", name=cut(nodeid))


def pytest_runtest_logreport(report):
    outcome = report.outcome
    if outcome == "passed" and report.when != "call":
        return
    if hasattr(report, "wasxfail") and outcome != "failed":
        outcome = "skipped" if outcome == "skipped" else "passed"
    message = message_of(report) if outcome == "failed" else ""
    write(event="test", name=cut(report.nodeid), outcome=outcome, message=message)


def pytest_collectreport(report):
    if report.failed:
        write(event="test", name=cut(report.nodeid), outcome="failed", message=message_of(report))


def pytest_sessionfinish(exitstatus):
    # All tests ran: they passed, some failed, or there is none.
    write(event="end", complete=int(exitstatus) in (0, 1, 5))
