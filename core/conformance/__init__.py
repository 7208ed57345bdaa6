"""Checks on tiny data what every encoder has to do; for the command line and for test suites."""

from eeg2speech_bench.core.conformance.report import (
    CHECKS,
    CheckResult,
    assert_conforms,
    check_encoder,
    check_names,
    run_checks,
    summary,
)

__all__ = ["CHECKS", "CheckResult", "assert_conforms", "check_encoder", "check_names", "run_checks", "summary"]
