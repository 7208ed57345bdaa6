"""CLAP's towers as encoders of text and of sound."""

from __future__ import annotations

import pytest
import torch

from eeg2speech_bench.core.conditioning import check_conditioning
from eeg2speech_bench.core.errors import BenchError, DataError, UnknownNameError, UsageError
from eeg2speech_bench.core.segments.segment_store import SignalInfo
from eeg2speech_bench.core.specs import EncoderSpec
from eeg2speech_bench.plugins.clap.tokenizer import byte_tokens
from eeg2speech_bench.plugins.encoders.clap import ClapAudio, ClapText
from eeg2speech_bench.plugins.targets.clap import ClapTarget


def test_tokens_are_bytes_between_start_and_end():
    tokens = byte_tokens(("ab", "", "é"), max_tokens=8)
    assert tokens["input_ids"].tolist() == [[0, 100, 101, 2], [0, 2, 1, 1], [0, 3 + 0xC3, 3 + 0xA9, 2]]
    assert tokens["attention_mask"].tolist() == [[1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 1, 1]]


def test_long_texts_are_cut_with_their_end_token():
    assert byte_tokens(("abcdef",), max_tokens=4)["input_ids"].tolist() == [[0, 100, 101, 2]]


def test_the_small_tower_gives_one_token_of_the_targets_width(signal, other_space, texts, batch_of):
    encoder = ClapText.build(signal, other_space, hidden=8, depth=1)
    conditioning = encoder(batch_of(texts))
    assert check_conditioning("clap-text", conditioning, 3, other_space).embeddings.shape == (3, 1, 10)


def test_a_text_means_the_same_beside_longer_ones(signal, other_space, batch_of):
    encoder = ClapText.build(signal, other_space, hidden=8, depth=2).eval()
    alone, beside = encoder(batch_of(("hello",))), encoder(batch_of(("hello", "a much longer text " * 20)))
    torch.testing.assert_close(beside.embeddings[:1], alone.embeddings)


def test_a_data_set_without_transcript_is_refused(signal, other_space, noise, batch_of):
    with pytest.raises(DataError, match="Encoder 'clap-text' needs a transcript: got segments without text"):
        ClapText.build(signal, other_space, hidden=8)(batch_of(sound=noise(1, 4)))


def test_pretrained_text_in_claps_own_space_has_nothing_to_train(speech, signal, texts, batch_of, clap, folder):
    target = ClapTarget.build(speech, weights=str(folder))
    encoder = ClapText.build(signal, target.info, weights=str(folder)).train()
    assert encoder.closed_form
    assert encoder.fit([], []) == {"n_trained": 0.0}
    assert not list(encoder.parameters())
    embeddings = encoder(batch_of(texts)).embeddings
    assert embeddings.shape == (3, 1, 24)
    torch.testing.assert_close(embeddings.norm(dim=2), torch.ones(3, 1))


def test_pretrained_text_is_claps_own_embedding(speech, signal, texts, batch_of, clap, folder):
    from transformers import AutoTokenizer

    tokens = AutoTokenizer.from_pretrained(folder)(list(texts), padding=True, return_tensors="pt")
    with torch.no_grad():
        theirs = clap.get_text_features(tokens["input_ids"], tokens["attention_mask"]).pooler_output
    target = ClapTarget.build(speech, weights=str(folder)).info
    repeated = batch_of((*texts, texts[0]))
    ours = ClapText.build(signal, target, weights=str(folder))(repeated).embeddings[:, 0]
    torch.testing.assert_close(ours, torch.cat([theirs, theirs[:1]]))


def test_pretrained_text_learns_only_the_way_into_another_space(signal, other_space, texts, batch_of, folder):
    encoder = ClapText.build(signal, other_space, weights=str(folder))
    assert not encoder.closed_form
    assert {name: tuple(w.shape) for name, w in encoder.named_parameters()} == {
        "project.weight": (10, 24),
        "project.bias": (10,),
    }
    encoder(batch_of(texts)).embeddings.sum().backward()
    assert encoder.project.weight.grad.abs().sum() > 0


def test_a_tokenizer_that_is_nowhere_is_an_error(signal, other_space, clap, folder):
    with pytest.raises(BenchError, match="clap-text' cannot be loaded: got 'nobody/no-such-tokenizer'"):
        ClapText.build(signal, other_space, weights=str(folder), tokenizer="nobody/no-such-tokenizer")


def test_a_tokenizer_has_no_effect_without_weights_and_is_refused(signal, other_space):
    with pytest.raises(UsageError, match="Option tokenizer of encoder 'clap-text' has no effect without weights"):
        ClapText.build(signal, other_space, tokenizer="roberta-base")


@pytest.mark.parametrize("name", ["ClapText", "ClapAudio"])
def test_an_unknown_option_is_answered_with_the_known_ones(name):
    spec = EncoderSpec("clap", f"eeg2speech_bench.plugins.encoders.clap:{name}")
    spec.check_options(["weights", "hidden"])
    with pytest.raises(UnknownNameError, match="Did you mean 'weights'"):
        spec.check_options(["weight"])


def test_sound_becomes_one_token_of_the_targets_width(signal, other_space, noise, batch_of):
    encoder = ClapAudio.build(signal, other_space, hidden=8)
    conditioning = encoder(batch_of(sound=noise(3, 46_080)))
    assert check_conditioning("clap-audio", conditioning, 3, other_space).embeddings.shape == (3, 1, 10)
    assert encoder.adaptations == {"sound": "16000 Hz resampled to 48000 Hz"}


def test_pretrained_sound_is_what_the_target_hears(speech, signal, noise, batch_of, folder):
    target = ClapTarget.build(speech, weights=str(folder))
    encoder = ClapAudio.build(signal, target.info, weights=str(folder))
    sound = noise(2, 46_080)
    frames = torch.stack([target.features(wave)[:288] for wave in sound])
    assert encoder.closed_form
    torch.testing.assert_close(encoder(batch_of(sound=sound)).embeddings, target(frames))


def test_a_data_set_without_audio_is_refused(other_space):
    silent = SignalInfo(n_chans=2, n_times=4, sfreq=10.0, chs_info=({}, {}), n_subjects=1)
    with pytest.raises(DataError, match="Encoder 'clap-audio' needs audio: got a data set without audio"):
        ClapAudio.build(silent, other_space)


def test_segments_without_sound_are_refused(signal, other_space, texts, batch_of):
    with pytest.raises(DataError, match="Encoder 'clap-audio' needs audio: got segments without sound"):
        ClapAudio.build(signal, other_space, hidden=8)(batch_of(texts))
