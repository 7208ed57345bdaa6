"""The lists of ``audioeeg``: paths of another machine are found, and no pair is guessed."""

from __future__ import annotations

import json

import pytest

from eeg2speech_bench.core.errors import DataError, UsageError
from eeg2speech_bench.datasets.audioeeg.items import read_items


def test_items_come_in_the_order_of_their_lists_with_their_own_files(root):
    items = read_items(root).items
    assert [item.part for item in items] == ["train"] * 4 + ["valid"] * 8 + ["test"] * 8
    assert [item.embedding.stem for item in items] == [item.sound.stem for item in items]
    assert items[4].sound == root / "dataset" / "sounds" / "item004.wav"


def test_a_folder_without_the_data_set_says_how_to_fetch_it(tmp_path):
    with pytest.raises(UsageError, match=r"no dataset_root.json.*datasets fetch audioeeg"):
        read_items(tmp_path)


def test_shifted_lists_are_refused_and_not_paired_by_order(root, change):
    def shift(rows):
        embeddings = [row["embedding"] for row in rows]
        for row, embedding in zip(rows, embeddings[1:] + embeddings[:1], strict=True):
            row["embedding"] = embedding

    change("test", shift)
    with pytest.raises(DataError, match=r"belongs to another sound.*'item013.pt' beside 'item012.wav'"):
        read_items(root)


def test_one_embedding_for_two_sounds_is_refused(root, change):
    change("train", lambda rows: rows[0].update(embedding=rows[1]["embedding"]))
    with pytest.raises(DataError, match="One embedding stands for two sounds"):
        read_items(root)


def test_a_missing_embedding_is_named_with_its_item(root):
    (root / "dataset" / "embeddings" / "item002.pt").unlink()
    with pytest.raises(DataError, match=r"train.json, item 2 names is missing: got .*item002.pt.*datasets fetch"):
        read_items(root)


def test_a_missing_sound_is_named_with_its_item(root):
    (root / "dataset" / "sounds" / "item019.wav").unlink()
    with pytest.raises(DataError, match=r"test.json, item 7 is missing: got 'item019.wav'"):
        read_items(root)


@pytest.mark.parametrize("key", ["wav", "embedding"])
def test_an_item_without_a_path_is_refused(root, change, key):
    change("val", lambda rows: rows[3].pop(key))
    with pytest.raises(DataError, match=rf"val.json, item 3 has no '{key}'"):
        read_items(root)


@pytest.mark.parametrize(("key", "path"), [("wav", "/etc/hostname"), ("wav", "../x.wav"), ("embedding", "../x.pt")])
def test_a_path_that_leads_out_of_the_data_set_is_refused(root, change, key, path):
    change("train", lambda rows: rows[0].update({key: path}))
    with pytest.raises(DataError, match=r"no path below the folder|leads out of the data set"):
        read_items(root)


def test_an_empty_list_is_refused(root, change):
    change("val", lambda rows: rows.clear())
    with pytest.raises(DataError, match=r"val.json lists no items"):
        read_items(root)


def test_a_missing_part_is_named(root):
    path = root / "dataset" / "metadata" / "dataset_root.json"
    tree = json.loads(path.read_text())
    del tree["metadata"]["path"]["audioeeg"]["val"]
    path.write_text(json.dumps(tree))
    with pytest.raises(DataError, match=r"lacks an entry: got no 'val'"):
        read_items(root)
