#!/usr/bin/env bash
# pyedflib 0.1.42: the fraction of a second in an EDF+ start time is read ten times too small, and written ten times too large
# or not at all.
#
# Expected: EDF+ keeps the fraction of the start time in its first annotation entry. A file that starts at 10:00:00.500 is said
# to start then, and setStartdatetime(10:00:00.250) writes a file that starts then.
# What happens: getStartdatetime() of a file by edfio that starts at .500 says .050, and of .250 says .025. The writer makes
# .500 of .050; every fraction of 0.1 s or more is dropped and the file starts at the whole second. No warning, no error.
# Because reading and writing are wrong by the same factor, a round trip through pyedflib alone looks right below 0.1 s.
# Onsets of annotations count from the start and are right. (The factor is corrected in pyedflib's repository, pull request
# 315; this is the newest release.)
#
# Why it matters: where EEG and sound were recorded by two devices, the start times are what joins them. Read or written here,
# the start of the EEG is off by up to almost a second, and no later step can see it.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check pyedflib==0.1.42 edfio==0.4.18 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PY'
import datetime
import warnings
from importlib.metadata import version

import edfio
import numpy as np
import pyedflib

warnings.simplefilter("error")  # a warning of pyedflib would end this
DAY, EEG = datetime.date(2024, 1, 2), np.zeros(1000)


def clock(milliseconds):
    return datetime.time(10, 0, 0, 1000 * milliseconds)


def first_entry(path):
    """The start of the first record as it stands in the file: annotations follow 2 x 100 bytes of EEG."""
    with open(path, "rb") as file:
        content = file.read()
    return content[768 + 200 :].split(b"\x14")[0].decode("ascii")


print("pyedflib", version("pyedflib"), "and edfio", version("edfio"))
print("A. written by edfio, read by pyedflib")
for milliseconds, expected in ((500, 50), (250, 25), (50, 5)):
    signal = edfio.EdfSignal(EEG, 100, label="EEG Cz", physical_dimension="uV", physical_range=(-100, 100))
    with warnings.catch_warnings():  # edfio says that such a start time makes the file an EDF+
        warnings.simplefilter("ignore")
        edf = edfio.Edf([signal], starttime=clock(milliseconds), recording=edfio.Recording(startdate=DAY))
    edf.write("start.edf")
    with pyedflib.EdfReader("start.edf") as reader:
        seen = reader.getStartdatetime()
    print(f"   start {clock(milliseconds)}, first entry {first_entry('start.edf')!r}, getStartdatetime() {seen.time()}")
    assert float(first_entry("start.edf")) == milliseconds / 1000
    assert seen == datetime.datetime.combine(DAY, clock(expected))

print("B. written by pyedflib, read by edfio and by pyedflib")
for milliseconds, expected, own in ((50, 500, 50), (90, 900, 90), (100, 0, 0), (250, 0, 0), (500, 0, 0)):
    writer = pyedflib.EdfWriter("start.edf", 1, file_type=pyedflib.FILETYPE_EDFPLUS)
    writer.setStartdatetime(datetime.datetime.combine(DAY, clock(milliseconds)))
    header = {"label": "EEG Cz", "dimension": "uV", "sample_frequency": 100, "transducer": "", "prefilter": ""}
    ranges = {"physical_min": -100, "physical_max": 100, "digital_min": -32768, "digital_max": 32767}
    writer.setSignalHeader(0, header | ranges)
    writer.writeSamples([EEG])
    writer.close()
    seen = edfio.read_edf("start.edf").starttime
    with pyedflib.EdfReader("start.edf") as reader:
        again = reader.getStartdatetime().time()
    entry = first_entry("start.edf")
    print(f"   setStartdatetime({clock(milliseconds)}), first entry {entry!r}, edfio {seen}, pyedflib {again}")
    assert float(entry) == expected / 1000
    assert (seen, again) == (clock(expected), clock(own))
PY
