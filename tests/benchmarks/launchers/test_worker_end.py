from __future__ import annotations

import signal

import pytest

from eeg2speech_bench.benchmarks.launchers.workers import WorkerEnd


@pytest.mark.parametrize(
    ("end", "kind", "message"),
    [
        (WorkerEnd(7, 0, "", 0.5), "ProcessEnded", "its process ended with exit code 0 and no record"),
        (WorkerEnd(7, 7, "", 0.5), "ProcessEnded", "its process ended with exit code 7 and no record"),
        (WorkerEnd(7, -signal.SIGSEGV, "", 0.5), "SIGSEGV", "its process was ended by SIGSEGV, a crash in native code"),
        (WorkerEnd(7, -signal.SIGABRT, "", 0.5), "SIGABRT", "its process was ended by SIGABRT, a crash in native code"),
        (WorkerEnd(7, -signal.SIGBUS, "", 0.5), "SIGBUS", "was cut short, or its disk is full or gone"),
        (WorkerEnd(7, -signal.SIGKILL, "", 0.5), "SIGKILL", "most likely for want of memory: it last used 0.5 of"),
        (WorkerEnd(7, -signal.SIGHUP, "", 0.5), "SIGHUP", "its process was ended by SIGHUP"),
        (WorkerEnd(7, -signal.SIGKILL, "it used 9 GB", 9.0), "LimitExceeded", "it used 9 GB"),
    ],
)
def test_the_end_of_a_process_is_said_in_words(end, kind, message):
    report = end.report("align")
    assert (report.phase, report.type) == ("align", kind)
    assert message in report.message
