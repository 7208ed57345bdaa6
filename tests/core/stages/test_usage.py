"""Stages that a running command uses stay; others go by age or by size."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time

import pytest
from rich.console import Console

from eeg2speech_bench.core.stages.json_files import write_json
from eeg2speech_bench.core.stages.keys import KeyParts
from eeg2speech_bench.core.stages.stage_store import Stage, StageStore
from eeg2speech_bench.core.stages.usage import choose_for_removal, in_use, kept_stages, marked_in_use, remove_unused
from eeg2speech_bench.core.terminal.progress import StageProgress

DAY_S = 24 * 3600


@pytest.fixture
def store(tmp_path):
    """Three stages of 1, 2 and 3 kB beside their manifests, last used 30, 20 and 10 days ago."""
    store = StageStore(tmp_path)
    for number, name in enumerate(("align", "embed", "score"), 1):

        def run(out, report, n=number):
            (out / "values").write_bytes(b"0" * 1000 * n)

        stage = Stage(name, KeyParts({}, {}, {}, {}, {}), run, (), {"dataset": "made-up", "encoder": "ridge"})
        path = store.ensure(stage, StageProgress(Console(file=io.StringIO()))).path
        os.utime(path / "stage.json", (time.time() - (40 - 10 * number) * DAY_S,) * 2)
    return store


def names(stages):
    return [stage.name for stage in stages]


def test_kept_stages_are_listed_with_what_they_are_and_the_longest_unused_first(store):
    kept = kept_stages(store)
    assert names(kept) == ["align", "embed", "score"]
    assert {(stage.dataset, stage.encoder) for stage in kept} == {("made-up", "ridge")}
    assert [stage.n_bytes // 1000 for stage in kept] == [1, 2, 3]


def test_stages_go_by_age(store):
    chosen = choose_for_removal(kept_stages(store), set(), older_than_s=15 * DAY_S, keep_bytes=None)
    assert names(chosen) == ["align", "embed"]


def test_stages_go_by_size_the_longest_unused_first(store):
    kept = kept_stages(store)
    keep_bytes = sum(stage.n_bytes for stage in kept[1:])
    assert names(choose_for_removal(kept, set(), older_than_s=None, keep_bytes=keep_bytes)) == ["align"]
    assert names(choose_for_removal(kept, set(), older_than_s=None, keep_bytes=0)) == ["align", "embed", "score"]


def test_what_this_process_uses_stays(store):
    kept = kept_stages(store)
    with marked_in_use(store, [kept[0].path]):
        assert in_use(store) == {kept[0].path.name}
        assert names(choose_for_removal(kept, in_use(store), older_than_s=0, keep_bytes=0)) == ["embed", "score"]
        assert remove_unused(store, kept[:1]) == []
        assert kept[0].path.is_dir()
    assert in_use(store) == set()


def test_a_removed_stage_is_gone_as_a_whole(store):
    kept = kept_stages(store)
    assert names(remove_unused(store, kept[:1])) == ["align"]
    assert names(kept_stages(store)) == ["embed", "score"]
    assert not list(store.root.glob(".partial-*"))


def test_the_mark_of_a_process_that_is_gone_does_not_count(store):
    script = (
        "import sys; from pathlib import Path\n"
        "from eeg2speech_bench.core.stages.stage_store import StageStore\n"
        "from eeg2speech_bench.core.stages.usage import marked_in_use\n"
        f"mark = marked_in_use(StageStore(Path({str(store.root)!r})), [Path('align-1')]); mark.__enter__()\n"
        "import os; os._exit(0)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    assert len(list(store.root.glob(".in-use-*"))) == 1
    assert in_use(store) == set()
    assert not list(store.root.glob(".in-use-*"))


@pytest.mark.parametrize(("age_days", "counts"), [(1, True), (30, False)])
def test_the_mark_of_another_machine_counts_while_it_is_young(store, age_days, counts):
    mark = store.root / ".in-use-elsewhere-1-00.json"
    write_json(mark, {"host": "elsewhere", "pid": 1, "stages": ["align-1"]})
    os.utime(mark, (time.time() - age_days * DAY_S,) * 2)
    assert (in_use(store) == {"align-1"}) is counts


def test_what_is_in_progress_or_being_removed_is_no_kept_stage(store):
    for name in (".partial-align-here-1-00", ".partial-removed-here-1-00"):
        (store.root / name).mkdir()
        write_json(store.root / name / "stage.json", {"name": "align", "files": {}})
    write_json(store.root / ".in-use-here-1-00.json", {"host": "here", "pid": 1, "stages": []})
    assert names(kept_stages(store)) == ["align", "embed", "score"]


@pytest.mark.parametrize("manifest", [{"files": {}}, {"name": "words", "subject": None}, {"name": "words"}])
def test_a_stage_of_an_earlier_version_is_kept_under_its_name(store, manifest):
    (store.root / "words-0123").mkdir()
    write_json(store.root / "words-0123" / "stage.json", manifest)
    (stage,) = [one for one in kept_stages(store) if one.name == "words"]
    assert (stage.dataset, stage.encoder) == ("unknown", "")


def test_what_another_process_uses_stays_while_it_runs(store):
    kept = kept_stages(store)
    script = (
        "import sys; from pathlib import Path\n"
        "from eeg2speech_bench.core.stages.stage_store import StageStore\n"
        "from eeg2speech_bench.core.stages.usage import marked_in_use\n"
        f"with marked_in_use(StageStore(Path({str(store.root)!r})), [Path({str(kept[0].path)!r})]):\n"
        "    print('marked', flush=True); sys.stdin.read()\n"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", script], stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout.readline() == "marked\n"
        assert names(remove_unused(store, kept)) == ["embed", "score"]
        process.communicate("")
    assert names(remove_unused(store, kept_stages(store))) == ["align"]
