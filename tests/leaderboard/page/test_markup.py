"""What stands in the pages: text of others escaped, links that lead somewhere, and nothing asked of anybody."""

from __future__ import annotations

import json
import re
from pathlib import Path

from eeg2speech_bench.leaderboard.page.folder import build
from eeg2speech_bench.leaderboard.page.markup import script_json

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"


def pages(out: Path) -> str:
    return "".join(path.read_text() for path in sorted(out.rglob("*.html")))


def test_text_of_a_plugin_is_escaped_on_every_page(tmp_path, write, write_audio, metric, set_score):
    record = write(tmp_path, HOSTILE)
    record.cell.dataset = record.cell.preset = HOSTILE
    record.target.name = record.encoder.licence = record.encoder.citation = record.provenance.command = HOSTILE
    words = {"label": HOSTILE, "note": HOSTILE, "unit": HOSTILE}
    record.metrics.append(metric(HOSTILE, "eeg", 0.3, per_subject={HOSTILE: 0.5}, **words))
    record.metrics.append(metric(HOSTILE, HOSTILE, 0.3, per_subject={HOSTILE: 0.5}, **words))
    record.metrics.append(metric("pooled", "eeg", 0.3, pool=HOSTILE, **words))
    record.sets = [set_score("of_sets", HOSTILE, 1.0, **words)]
    record.skipped = {HOSTILE: HOSTILE}
    write_audio(tmp_path, record)
    report = build([tmp_path], tmp_path / "out")
    assert not report.refused
    # outside the two scripts that we ship, no script starts and no element of theirs comes to be
    text = re.sub(r"<script>.*?</script>", "", pages(tmp_path / "out"), flags=re.DOTALL)
    assert "<img src=x" not in text
    assert "<script>alert" not in pages(tmp_path / "out")


def test_json_in_a_page_cannot_end_its_script_and_reads_back_the_same():
    value = {"name": HOSTILE, "line": "\u2028<!--&"}
    text = str(script_json(value))
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == value


def test_pages_ask_nobody_for_anything(tmp_path, write, write_audio):
    record = write(tmp_path)
    write_audio(tmp_path, record)
    out = build([tmp_path], tmp_path / "out").index.parent
    text = pages(out)
    policies = re.findall(r'Content-Security-Policy" content="([^"]+)"', text)
    assert len(policies) == 3
    for policy in policies:
        assert policy.startswith("default-src &#39;none&#39;; script-src &#39;sha256-")
        assert "http" not in policy
        assert "unsafe" not in policy
    linked = re.findall(r'(?:src|href)="([^"#]+)', re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL))
    assert linked
    assert not [link for link in linked if ":" in link]
    assert "url(" not in (out / "assets" / "board.css").read_text() + (out / "assets" / "tabulator.min.css").read_text()


def test_every_link_of_every_page_leads_to_a_file(tmp_path, write, write_audio):
    for seed in range(2):
        write_audio(tmp_path, write(tmp_path, seed=seed))
    out = build([tmp_path], tmp_path / "out").index.parent
    for page in out.rglob("*.html"):
        text = re.sub(r"<script.*?</script>", "", page.read_text(), flags=re.DOTALL)
        for link in re.findall(r'(?:src|href)="([^"#]+)', text):
            assert (page.parent / link).is_file(), (page, link)
