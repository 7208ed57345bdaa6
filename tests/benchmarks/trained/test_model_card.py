"""A card says what the record says, in the hub's schema, and nothing that stands in a record becomes markup."""

from __future__ import annotations

import pytest
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt
from markdown_it.token import Token

from eeg2speech_bench.benchmarks.trained.model_card import Licences, plain, write_card

REPOSITORY = "lab/mean"
LICENCES = Licences("cc-by-nc-4.0", "CC0")
HOSTILE = [
    "<script>alert(1)</script>",
    "[click](https://evil.example)",
    "![x](https://evil.example/x.png)",
    "www.evil.example",
    "https://evil.example",
    "me@evil.example",
    "# heading",
    "1. first",
    "- first",
    "`code`",
    "a | b",
    "&lt;b&gt;",
    "a\n\n---\nlicense: mit\n---\n",
    "*a* __b__ ~~c~~ \\",
]


def card_of(kept, licences=LICENCES) -> ModelCard:
    return ModelCard(write_card(kept.record, kept.description, REPOSITORY, licences))


def tokens(markdown: str) -> list[Token]:
    parsed = MarkdownIt("commonmark").enable("table").parse(markdown)
    return [token for block in parsed for token in (block, *(block.children or []))]


def test_metadata_are_in_the_schema_of_the_hub(kept):
    data = card_of(kept).data
    assert (data.license, data.library_name, data.pipeline_tag) == (
        "cc-by-nc-4.0",
        "eeg2speech-bench",
        "feature-extraction",
    )
    assert data.datasets == ["simulated"]
    assert data.model_name == "mean"


def test_every_score_of_the_metadata_stands_beside_its_controls(kept):
    found = [
        (result.metric_config, result.metric_name, result.metric_value) for result in card_of(kept).data.eval_results
    ]
    assert found == [("eeg", "top-1, EEG", 0.6), ("shift", "top-1, EEG at a wrong time", 0.1)]
    (dataset,) = {(r.dataset_type, r.dataset_split, r.dataset_revision) for r in card_of(kept).data.eval_results}
    assert dataset == ("simulated", "test", "r1")


def test_the_text_has_scores_beside_controls_and_the_level_of_guessing(kept):
    text = card_of(kept).text
    rows = ["| EEG | 0.600 [0.550, 0.650] |", "| EEG at a wrong time (control) | 0.100 [0.050, 0.150] |"]
    assert all(row in text for row in [*rows, "| guessing | 0.100 |"])


def test_the_verdict_comes_before_the_scores(kept):
    text = card_of(kept).text
    verdict = "- top-1: signal, p = 0.010 against the hardest control (shift)"
    assert text.index(verdict) < text.index("## Scores beside controls")
    assert "says nothing about what was heard" not in text


def test_a_model_that_found_nothing_says_so_in_the_card(keep_model):
    test = {"metric": "top1", "control": "shift", "p": 0.4, "effect": 0.0, "dz": None, "n_units": 4, "exact": True}
    verdict = {"top1": {"distinguishable": False, "p": 0.4, "hardest_control": "shift", "alpha": 0.05}}
    text = card_of(keep_model(tests=[test], verdict=verdict)).text
    assert "- top-1: not distinguishable from no signal (p = 0.400" in text
    assert "it says nothing about what was heard" in text


def test_licences_of_weights_data_and_code_are_named(kept):
    text = card_of(kept).text
    lines = [
        "- Of the weights: cc-by-nc-4.0",
        "- Of the data set that they were trained on: CC0",
        "- Of the encoder's code: Apache-2.0",
    ]
    assert all(line in text for line in lines)


def test_what_nobody_stated_is_said_to_be_unknown(kept):
    card = card_of(kept, Licences("unknown", ""))
    assert card.data.license == "unknown"
    assert "- Of the weights: not stated by who sent them" in card.text
    assert "- Of the data set that they were trained on: not known here; ask its authors" in card.text


def test_weights_of_others_are_named_without_where_they_lie_here(kept):
    options = {"weights": "/home/me/secret/big.pt", "body": {"model": "lab/wav2vec"}}
    encoder = kept.description.encoder.model_copy(update={"options": options})
    description = kept.description.model_copy(update={"encoder": encoder})
    text = write_card(kept.record, description, REPOSITORY, LICENCES)
    assert "whose licence holds too: encoder.weights = big.pt, encoder.body.model = lab/wav2vec" in text
    assert "secret" not in text


def test_the_five_lines_that_use_it_are_python(kept):
    listeners = ['01"""\n```\n# not a heading']
    description = kept.description.model_copy(update={"listeners": listeners})
    text = write_card(kept.record, description, REPOSITORY, LICENCES)
    (fence,) = [token for token in tokens(text) if token.type == "fence"]
    assert len(fence.content.splitlines()) == 5
    compile(fence.content, "card", "exec")
    assert 'TrainedCell.from_hub("lab/mean")' in fence.content


@pytest.mark.parametrize("text", HOSTILE)
def test_text_from_elsewhere_stays_text(text):
    inline = [token for token in tokens(f"- {plain(text)}") if token.type not in ("text_special", "softbreak")]
    kinds = {token.type for token in inline}
    assert kinds == {"bullet_list_open", "list_item_open", "paragraph_open", "inline", "text"} | {
        "paragraph_close",
        "list_item_close",
        "bullet_list_close",
    }


@pytest.mark.parametrize("text", HOSTILE)
def test_text_of_a_record_becomes_neither_markup_nor_metadata(keep_model, text):
    kept = keep_model(
        dataset={"name": text, "revision": text, "about": text, "n_subjects": 2, "n_segments": {text: 3}},
    )
    card = card_of(kept)
    assert card.data.license == "cc-by-nc-4.0"
    assert card.data.eval_results[0].dataset_name == text
    made = {token.type for token in tokens(card.text)}
    assert not made & {"html_inline", "html_block", "link_open", "image", "hr"}
    assert [token.tag for token in tokens(card.text) if token.type == "heading_open"] == ["h1", *["h2"] * 5]
    assert len([token for token in tokens(card.text) if token.type == "table_open"]) == 1
