"""The page of one row: its cells, how to repeat them, and words that fit what the encoder reads."""

from __future__ import annotations

import hashlib
import re
import shlex

from eeg2speech_bench.core.records.record_store import RecordStore
from eeg2speech_bench.leaderboard.page.folder import build

WHOLE = {"stages": [{"name": "align"}, {"name": "generate"}]}
FAILED = {
    "status": "failed", "metrics": [], "tests": [], "verdict": {}, "split": {},
    "error": {"phase": "align", "type": "E", "message": "no"},
}  # fmt: skip


def cells_table(page: str) -> list[list[str]]:
    """Return the text of the table of cells."""
    table = page.split('<table class="plain cells">', 1)[1].split("</table>", 1)[0]
    rows = [
        re.findall(r"<t[hd].*?</t[hd]>", row, flags=re.DOTALL) for row in re.findall(r"<tr.*?</tr>", table, re.DOTALL)
    ]
    return [[" ".join(re.sub("<.*?>", " ", cell).split()) for cell in row] for row in rows]


def test_a_cell_of_retrieval_alone_says_so_and_the_whole_one_does_not(tmp_path, write, only_page):
    whole = write(tmp_path, provenance=WHOLE)
    write(
        tmp_path,
        cell=whole.cell.model_copy(update={"id": "net__alone"}),
        config={"preset": "quick", "scores": {"which": "retrieval"}},
    )
    table = cells_table(only_page(build([tmp_path], tmp_path / "out").index.parent))
    assert [row[0] for row in table[1:]] == ["seed 0, retrieval only net__alone", f"seed 0 {whole.cell.id}"]


def test_a_row_without_scores_has_a_head_for_how_its_cells_ended(tmp_path, write, only_page):
    write(tmp_path, **FAILED)
    head, row = cells_table(only_page(build([tmp_path], tmp_path / "out").index.parent))
    assert head == ["cell", "how it ended", "minutes all stages", "record"]
    assert len(row) == len(head)
    assert row[1] == "failed align: E: no"


def test_a_row_says_how_to_check_repeat_and_compare_it(tmp_path, write, only_page):
    hostile = "net; rm -rf $HOME"
    record = write(tmp_path, hostile)
    page = only_page(build([tmp_path], tmp_path / "out").index.parent).replace("&#39;", "'")
    digest = hashlib.sha256(RecordStore(tmp_path).path(record.cell.id).read_bytes()).hexdigest()
    typed = re.findall(r'<pre class="copy[^>]*>(.*?)\s*</pre>', page)
    assert typed[0] == f"eeg2speech-bench rerun records/{record.cell.id}.json"
    assert shlex.split(typed[1])[:4] == ["eeg2speech-bench", "leaderboard", "compare", hostile]
    assert typed[2] == f"{digest}  records/{record.cell.id}.json"


def test_a_row_without_scores_is_repeated_and_not_compared(tmp_path, write, only_page):
    write(tmp_path, **FAILED)
    page = only_page(build([tmp_path], tmp_path / "out").index.parent)
    assert "eeg2speech-bench rerun" in page
    assert "leaderboard compare" not in page


def test_what_reads_the_transcript_is_not_said_to_read_the_eeg(tmp_path, write, write_audio, only_page):
    record = write(tmp_path, encoder={"name": "reader", "modality": "text"})
    write_audio(tmp_path, record)
    out = build([tmp_path], tmp_path / "out").index.parent
    page = only_page(out)
    assert ">transcript</text>" in page  # of the bars
    assert 'aria-label="play transcript of other segments, clip 1"' in page
    assert 'aria-label="play transcript, clip 20"' in (out / "listen" / "1.html").read_text()
    facts = page.split("<h2>What was run", 1)[0]
    assert not re.findall(r"\bEEG\b", re.sub(r"<(script|head)>.*?</\1>", "", facts, flags=re.DOTALL))


def test_heads_of_scores_are_explained_where_keys_and_fingers_reach_it(tmp_path, write, metric, set_score, only_page):
    made = write(tmp_path)
    made.metrics.append(metric("mrr", "eeg", 0.6))
    made.sets = [set_score("variance_ratio", "eeg", 0.5, label="variance ratio", note="Aims at <1>.")]
    RecordStore(tmp_path).write(made)
    out = build([tmp_path], tmp_path / "out").index.parent
    page = only_page(out)
    assert "<dt>MRR</dt><dd>Mean reciprocal rank.</dd>" in page
    assert "<dt>variance ratio</dt><dd>Aims at &lt;1&gt;.</dd>" in page
    index = (out / "index.html").read_text()
    assert re.search(r"<dt>MRR</dt><dd>Mean reciprocal rank.*Higher is better\.</dd>", index)


def test_a_row_that_was_still_improving_says_so_beside_its_curve_and_its_budget(tmp_path, write, only_page, board):
    history = [{"step": 80 * i, "epoch": i, "valid_mrr": 0.1 * i} for i in range(1, 5)]
    training = {"align": {"n_steps": 320, "history": history, "chosen": {"epoch": 4}}}
    write(tmp_path, training=training)
    out = build([tmp_path], tmp_path / "out").index.parent
    page = only_page(out)
    assert "<figcaption>align: valid mrr<small>: still improving</small>" in page
    assert page.count("seed 0: kept at 320") == 1
    assert "It was still improving when its budget ended" in page
    (row,) = board(out)["rows"]
    assert row["bud"].endswith(", still improving")
    assert row["q0"][6] == "still improving"
