"""The metrics of generated speech that ship with the suite, as declarations."""

from __future__ import annotations

from typing import Any

from eeg2speech_bench.core.specs import MetricSpec

_METRICS = "eeg2speech_bench.benchmarks.metrics"

_MEL: dict[str, Any] = {"needs": "clips", "baseline": f"{_METRICS}.quality:mean_spectrum_level"}
_DISTANCE: dict[str, Any] = {**_MEL, "unit": "dB", "higher_is_better": False}
#: metrics of how like the true clip the generated one is
_LIKENESS = [
    MetricSpec(
        "mel_correlation",
        f"{_METRICS}.quality:mel_correlation",
        "correlation over time per mel band, mean over bands",
        label="mel r",
        note="Correlation over time with the true log-mel, band by band; a mean spectrum earns 0.",
        low=-1.0,
        high=1.0,
        chance=0.0,
        **_MEL,
    ),
    MetricSpec(
        "mel_correlation_over_bands",
        f"{_METRICS}.quality:mel_correlation_over_bands",
        "correlation over bands per mel frame, which the mean spectrum inflates",
        label="mel r, bands",
        note="Correlation over bands, frame by frame; a mean spectrum alone earns much of it.",
        low=-1.0,
        high=1.0,
        **_MEL,
    ),
    MetricSpec(
        "mel_correlation_flattened",
        f"{_METRICS}.quality:mel_correlation_flattened",
        "correlation over all frames and bands, which the mean spectrum inflates",
        label="mel r, flat",
        note="Correlation over all frames and bands at once; a mean spectrum earns much of it.",
        low=-1.0,
        high=1.0,
        **_MEL,
    ),
    MetricSpec(
        "estoi",
        f"{_METRICS}.intelligibility:estoi",
        "extended short-time objective intelligibility",
        label="ESTOI",
        note="Extended short-time objective intelligibility: 1 is best, 0 is chance.",
        low=-1.0,
        high=1.0,
        needs="clips",
        chance=0.0,
    ),
    MetricSpec(
        "lsd",
        f"{_METRICS}.quality:log_spectral_distance",
        "log-spectral distance on mel bands",
        label="LSD, dB",
        note="Log-spectral distance from the true log-mel, in dB; 0 is best, and blur is favoured.",
        low=0.0,
        high=1000.0,
        **_DISTANCE,
    ),
    MetricSpec(
        "mcd",
        f"{_METRICS}.cepstral:mel_cepstral_distortion",
        "mel-cepstral distortion, frame by frame",
        label="MCD, dB",
        note="Mel-cepstral distortion, frame by frame, in dB; 0 is best, and blur is favoured.",
        low=0.0,
        high=1000.0,
        **_DISTANCE,
    ),
]
_FIRST: dict[str, Any] = {"needs": "clips", "identifies_by": f"{_METRICS}.retrieval:top_1"}
_TWO_WAY: dict[str, Any] = {"needs": "clips", "identifies_by": f"{_METRICS}.retrieval:match_mismatch"}
_WAKEWORD: dict[str, Any] = {"extended": True, "available": f"{_METRICS}.embeddings:wakeword_available"}
#: metrics of whether the true clip is told from the others by the generated one
_IDENTIFICATION = [
    MetricSpec(
        "identification",
        f"{_METRICS}.identification:identification",
        "true clip picked first from the generated one",
        label="identified",
        note="How often the true clip is, of all test clips, the nearest in log-mel to the generated one.",
        low=0.0,
        high=1.0,
        headline=True,
        **_FIRST,
    ),
    MetricSpec(
        "identification_rank",
        f"{_METRICS}.identification:identification_rank",
        "median rank of the true clip as a share of all",
        label="clip's rank",
        note="Median rank of the true clip in that choice, as a share of all: 0 is best, 0.5 is chance.",
        low=0.0,
        high=1.0,
        needs="clips",
        identifies_by=f"{_METRICS}.retrieval:relative_rank",
        higher_is_better=False,
        aggregate="median",
    ),
    MetricSpec(
        "two_way",
        f"{_METRICS}.identification:two_way_identification",
        "share of the other clips that the true one beats",
        label="two-way",
        note="Share of the other clips that are less like the generated clip than the true one is; chance is 0.5.",
        low=0.0,
        high=1.0,
        **_TWO_WAY,
    ),
    MetricSpec(
        "wakeword_identified",
        f"{_METRICS}.identification:wakeword_identification",
        "true clip picked first in a keyword spotter's embedding, which no stage trained on",
        label="identified, KWS",
        note="Identified in the embedding of a keyword spotter (KWS), which no stage trained on.",
        low=0.0,
        high=1.0,
        **_FIRST,
        **_WAKEWORD,
    ),
    MetricSpec(
        "wakeword_two_way",
        f"{_METRICS}.identification:wakeword_two_way",
        "share of the other clips that the true one beats in that embedding",
        label="two-way, KWS",
        note="Two-way in the embedding of a keyword spotter (KWS); chance is 0.5.",
        low=0.0,
        high=1.0,
        **_TWO_WAY,
        **_WAKEWORD,
    ),
]
_EXTENDED: dict[str, Any] = {"needs": "clips", "extended": True}
#: metrics against the reference that cost more or need packages
_EXTENDED_LIKENESS = [
    MetricSpec(
        "stoi",
        f"{_METRICS}.intelligibility:stoi",
        "short-time objective intelligibility",
        label="STOI",
        note="Short-time objective intelligibility, the original; noise scores above wrong speech.",
        low=-1.0,
        high=1.0,
        **_EXTENDED,
    ),
    MetricSpec(
        "mcd_dtw",
        f"{_METRICS}.cepstral:warped_cepstral_distortion",
        "mel-cepstral distortion after time warping",
        label="MCD-DTW, dB",
        note="Mel-cepstral distortion along the best time alignment, in dB; forgives being wrong.",
        low=0.0,
        high=1000.0,
        unit="dB",
        higher_is_better=False,
        baseline=f"{_METRICS}.quality:mean_spectrum_level",
        **_EXTENDED,
    ),
    MetricSpec(
        "pesq",
        f"{_METRICS}.perception:pesq",
        "perceptual evaluation of speech quality, wide band",
        label="PESQ",
        note="Perceptual evaluation of speech quality, wide band, 1 to 4.64; wrong speech gets 1.",
        low=0.0,
        high=6.0,
        available=f"{_METRICS}.perception:pesq_available",
        **_EXTENDED,
    ),
    MetricSpec(
        "speaker",
        f"{_METRICS}.speaker:speaker_similarity",
        "cosine of speaker embeddings",
        label="speaker cosine",
        note="Cosine of voice embeddings; 0.5 is nothing, and one narrator scores high whatever is said.",
        low=-1.0,
        high=1.0,
        available=f"{_METRICS}.speaker:available",
        **_EXTENDED,
    ),
]
_MODULE = f"{_METRICS}.recognition"
_WHISPER: dict[str, Any] = {
    "needs": "clips",
    "extended": True,
    "model": "whisper",
    "available": f"{_MODULE}:available",
}
_TEXTS: dict[str, Any] = {**_WHISPER, "takes": ("texts", "model"), "alone": True}
#: metrics of what Whisper hears
_RECOGNITION = [
    MetricSpec(
        "wer",
        f"{_MODULE}:word_error_rate",
        "word error rate",
        label="WER",
        note="Word error rate of Whisper on the clip, at most 1; 0 is best.",
        low=0.0,
        high=1.0,
        higher_is_better=False,
        **_TEXTS,
    ),
    MetricSpec(
        "cer",
        f"{_MODULE}:character_error_rate",
        "character error rate",
        label="CER",
        note="Character error rate of Whisper on the clip, at most 1; 0 is best.",
        low=0.0,
        high=1.0,
        higher_is_better=False,
        **_TEXTS,
    ),
    MetricSpec(
        "word_hits",
        f"{_MODULE}:word_hits",
        "share of the true words that are heard, in order",
        label="word hits",
        note="Share of the true words that Whisper hears, in order; 1 is best.",
        low=0.0,
        high=1.0,
        **_TEXTS,
    ),
    MetricSpec(
        "content",
        f"{_MODULE}:content_similarity",
        "cosine of Whisper's encoder frames, each clip's mean removed",
        label="content r",
        note="Cosine of Whisper's encoder frames, each clip's mean removed; 0.25 is what wrong speech gets.",
        low=-1.0,
        high=1.0,
        takes=("model",),
        **_WHISPER,
    ),
    MetricSpec(
        "whisper_identified",
        f"{_MODULE}:whisper_identification",
        "true clip picked first in Whisper's embedding, which no stage trained on",
        label="identified, Whisper",
        note="Identified in Whisper's embedding, which no stage trained on.",
        low=0.0,
        high=1.0,
        identifies_by=f"{_METRICS}.retrieval:top_1",
        takes=("model",),
        **_WHISPER,
    ),
]
_OPINIONS_MODULE = f"{_METRICS}.perception"
_OPINIONS_EXTENDED: dict[str, Any] = {"needs": "clips", "extended": True, "alone": True}
_DNSMOS: dict[str, Any] = {**_OPINIONS_EXTENDED, "available": f"{_OPINIONS_MODULE}:dnsmos_available"}
#: metrics of the voice alone, whatever it says
_OPINIONS = [
    MetricSpec(
        "dnsmos",
        f"{_OPINIONS_MODULE}:dnsmos_overall",
        "DNSMOS P.835, overall",
        label="DNSMOS",
        note="Predicted opinion of the voice overall (DNSMOS P.835), 1 to 5, whatever it says.",
        low=0.0,
        high=6.0,
        **_DNSMOS,
    ),
    MetricSpec(
        "dnsmos_signal",
        f"{_OPINIONS_MODULE}:dnsmos_signal",
        "DNSMOS P.835, speech",
        label="DNSMOS speech",
        note="Predicted opinion of the speech (DNSMOS P.835), 1 to 5, whatever it says.",
        low=0.0,
        high=6.0,
        **_DNSMOS,
    ),
    MetricSpec(
        "dnsmos_background",
        f"{_OPINIONS_MODULE}:dnsmos_background",
        "DNSMOS P.835, background",
        label="DNSMOS backgr.",
        note="Predicted opinion of the background (DNSMOS P.835), 1 to 5.",
        low=0.0,
        high=6.0,
        **_DNSMOS,
    ),
    MetricSpec(
        "dnsmos_p808",
        f"{_OPINIONS_MODULE}:dnsmos_p808",
        "DNSMOS P.808, overall",
        label="DNSMOS P.808",
        note="Predicted opinion of the voice overall (DNSMOS P.808); noise alone gets 2.",
        low=0.0,
        high=6.0,
        **_DNSMOS,
    ),
    MetricSpec(
        "distillmos",
        f"{_OPINIONS_MODULE}:distillmos",
        "DistillMOS, overall",
        label="DistillMOS",
        note="Predicted opinion of the voice overall (DistillMOS), 1 to 5, whatever it says.",
        low=0.0,
        high=6.0,
        available=f"{_OPINIONS_MODULE}:distillmos_available",
        **_OPINIONS_EXTENDED,
    ),
]


def metrics_of_speech() -> list[MetricSpec]:
    """Return the metrics of clips; those that cost much or need packages are extended."""
    return [
        *_LIKENESS,
        *_IDENTIFICATION,
        *_EXTENDED_LIKENESS,
        *_RECOGNITION,
        *_OPINIONS,
    ]
