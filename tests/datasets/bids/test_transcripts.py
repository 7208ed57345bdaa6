"""Words are read from tables and TextGrids beside a sound."""

from __future__ import annotations

import pytest

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.datasets.bids.textgrid import read_textgrid
from eeg2speech_bench.datasets.bids.transcripts import Transcripts

LONG = '''File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 2.5
tiers? <exists>
size = 3
item []:
    item [1]:
        class = "IntervalTier"
        name = "phones"
        xmin = 0
        xmax = 2.5
        intervals: size = 1
        intervals [1]:
            xmin = 0
            xmax = 2.5
            text = "AH0"
    item [2]:
        class = "TextTier"
        name = "clicks"
        xmin = 0
        xmax = 2.5
        points: size = 1
        points [1]:
            number = 1
            mark = "click"
    item [3]:
        class = "IntervalTier"
        name = "Words"
        xmin = 0
        xmax = 2.5
        intervals: size = 4
        intervals [1]:
            xmin = 0
            xmax = 0.5
            text = ""
        intervals [2]:
            xmin = 0.5
            xmax = 1
            text = "für 5 ""days"""
        intervals [3]:
            xmin = 1
            xmax = 1.2e0
            text = "sp"
        intervals [4]:
            xmin = 1.2
            xmax = 2.5
            text = "null"
'''

SHORT = '''File type = "ooTextFile"
Object class = "TextGrid"

0
2.5
<exists>
3
"IntervalTier" ! phones come first
"phones"
0
2.5
1
0
2.5
"AH0"
"TextTier"
"clicks"
0
2.5
1
1
"click"
"IntervalTier"
"Words"
0
2.5
4
0
0.5
""
0.5
1
"für 5 ""days"""
1
1.2
"sp"
1.2
2.5
"null"
'''

WORDS = [('für 5 "days"', 0.5, 1.0), ("null", 1.2, 2.5)]


def heard(transcripts, folder, duration_s=2.5):
    return [(w.text, w.start_s, w.stop_s) for w in transcripts.words(folder / "a.wav", duration_s)]


@pytest.mark.parametrize("text", [LONG, SHORT], ids=["long", "short"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_a_textgrid_gives_its_words_in_each_format_and_encoding(tmp_path, text, encoding):
    (tmp_path / "a.TextGrid").write_bytes(text.encode(encoding))
    assert heard(Transcripts(), tmp_path) == WORDS


def test_another_tier_of_words_is_named_by_the_description(tmp_path):
    (tmp_path / "a.TextGrid").write_text(SHORT)
    assert heard(Transcripts("phones"), tmp_path) == [("AH0", 0.0, 2.5)]


def test_a_textgrid_without_a_tier_of_words_says_which_it_has(tmp_path):
    (tmp_path / "a.TextGrid").write_text(SHORT.replace('"Words"', '"ORT-MAU"'))
    with pytest.raises(DataError, match=r"no tier of words: got phones, ORT-MAU, expected 'words' or 'word'.*tier ="):
        heard(Transcripts(), tmp_path)


@pytest.mark.parametrize("text", [SHORT[:150], "", "no grid", LONG.replace("IntervalTier", "PitchTier")])
def test_what_is_no_complete_textgrid_is_refused(tmp_path, text):
    path = tmp_path / "a.TextGrid"
    path.write_text(text)
    with pytest.raises(DataError, match=r"a\.TextGrid is no complete TextGrid"):
        read_textgrid(path)


def test_the_table_of_words_goes_before_the_textgrid(tmp_path):
    (tmp_path / "a.TextGrid").write_text(SHORT)
    (tmp_path / "a_words.tsv").write_text("onset\tduration\tword\n1\t.5\tcome\n")
    transcripts = Transcripts()
    assert heard(transcripts, tmp_path) == [("come", 1.0, 1.5)]
    assert transcripts.files == {tmp_path / "a_words.tsv"}


@pytest.mark.parametrize("word", ["None", "nan", "null", "NA", "true", "inf", '"come'])
def test_words_that_look_like_nothing_are_words(tmp_path, word):
    (tmp_path / "a_words.tsv").write_text(f"onset\tduration\tword\n1\t.5\t{word}\n")
    assert heard(Transcripts(), tmp_path) == [(word, 1.0, 1.5)]


def test_a_row_without_a_word_is_silence(tmp_path):
    (tmp_path / "a_words.tsv").write_text("onset\tduration\tword\n1\t.5\tn/a\n2\t.5\tso\n")
    assert heard(Transcripts(), tmp_path) == [("so", 2.0, 2.5)]


@pytest.mark.parametrize("row", ["30\t.5", "n/a\t.5", "1\tn/a", "-1\t.5", "1\t-1"])
def test_a_word_outside_its_sound_is_refused_by_its_row(tmp_path, row):
    (tmp_path / "a_words.tsv").write_text(f"onset\tduration\tword\n1\t.5\tso\n{row}\tfar\n")
    with pytest.raises(DataError, match=r"Row 3 of transcript .*a_words\.tsv places 'far' outside its sound"):
        heard(Transcripts(), tmp_path)


def test_a_transcript_that_was_not_downloaded_says_so(tmp_path):
    (tmp_path / "a_words.tsv").symlink_to("../.git/annex/objects/F9/x.tsv")
    with pytest.raises(DataError, match=r"a_words\.tsv was not downloaded: .*datalad get"):
        heard(Transcripts(), tmp_path)


def test_a_sound_without_a_transcript_has_no_words(tmp_path):
    assert Transcripts().words(tmp_path / "a.wav", 2.5) == ()


def test_the_published_textgrids_of_alice_are_read(realdata):
    tiers = read_textgrid(realdata / "alice_text" / "phonemes" / "DownTheRabbitHoleFinal_SoundFile1.TextGrid")
    assert list(tiers) == ["words", "phones"]
    assert len(tiers["words"]) == 319
    first = next(i for i in tiers["words"] if i.text)
    assert (first.text, first.start_s, first.stop_s) == ("alice", 0.046, 0.516)


def test_the_phonemes_of_a_textgrid_go_with_their_words(realdata):
    sound = realdata / "alice_text" / "phonemes" / "DownTheRabbitHoleFinal_SoundFile1.wav"
    words = Transcripts().words(sound, 60.0)
    assert [phone.symbol for phone in words[0].phones] == ["AE1", "L", "AH0", "S"]
    assert all(word.start_s <= phone.start_s < phone.stop_s <= word.stop_s for word in words for phone in word.phones)
    assert sum(len(word.phones) for word in words) == 525
