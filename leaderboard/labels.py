"""What the tables call a metric, and what one line says of it; formulas and traps are in ``docs/metrics.md``."""

from __future__ import annotations

#: what the tables show; the records hold every metric
BOARD_METRICS = ("top1", "top10", "identification", "mel_correlation", "estoi")
CONTROL_METRICS = (
    "top1", "top5", "top10", "mrr", "median_rank", "identification", "mel_correlation", "estoi", "lsd"
)  # fmt: skip
#: metrics whose interval is shown beside the value; those of the others are in the record
WITH_INTERVAL = ("top1", "identification", "mel_correlation")
#: column heads, short enough for a terminal, in the order of tables
LABELS = {
    "top1": "top-1",
    "top5": "top-5",
    "top10": "top-10",
    "mrr": "MRR",
    "median_rank": "median rank",
    "identification": "identified",
    "identification_rank": "clip's rank",
    "two_way": "two-way",
    "mel_correlation": "mel r",
    "mel_correlation_over_bands": "mel r, bands",
    "mel_correlation_flattened": "mel r, flat",
    "estoi": "ESTOI",
    "stoi": "STOI",
    "lsd": "LSD, dB",
    "mcd": "MCD, dB",
    "mcd_dtw": "MCD-DTW, dB",
    "top1_of_50": "top-1 of 50",
    "top10_of_50": "top-10 of 50",
    "top1_same_recording": "top-1, recording",
    "top1_same_sentence": "top-1, sentence",
    "top1_other_sentences": "top-1, other sent.",
    "top1_matched": "top-1, matched",
    "match_mismatch": "match/mismatch",
    "match_mismatch_matched": "m/m, matched",
    "top1_word_onset": "top-1, onsets",
    "top10_word_onset": "top-10, onsets",
    "word_top1": "word top-1",
    "word_top10": "word top-10",
    "wakeword_identified": "identified, KWS",
    "wakeword_two_way": "two-way, KWS",
    "whisper_identified": "identified, Whisper",
    "wer": "WER",
    "cer": "CER",
    "word_hits": "word hits",
    "content": "content r",
    "speaker": "speaker cosine",
    "pesq": "PESQ",
    "dnsmos": "DNSMOS",
    "dnsmos_signal": "DNSMOS speech",
    "dnsmos_background": "DNSMOS backgr.",
    "dnsmos_p808": "DNSMOS P.808",
    "distillmos": "DistillMOS",
    "frechet_cepstral": "Fréchet, cepstra",
    "frechet_wakeword": "Fréchet, KWS",
    "frechet_whisper": "Fréchet, Whisper",
    "variance_ratio": "variance ratio",
    "pairwise_similarity": "pairwise r",
    "kl": "KL, nat",
    "inception_score": "inception score",
}
#: one line on each, for those who read a head and wonder
NOTES = {
    "top1": "How often the heard window comes first of all test windows by the encoder's estimate; 1 is best.",
    "top5": "How often the heard window is among the first five of all test windows; 1 is best.",
    "top10": "How often the heard window is among the first ten of all test windows; 1 is best.",
    "mrr": "Mean reciprocal rank: the mean of 1 / rank of the heard window; 1 is best.",
    "median_rank": "Median rank of the heard window as a share of the pool: 0 is best, 0.5 is chance.",
    "identification": "How often the true clip is, of all test clips, the nearest in log-mel to the generated one.",
    "identification_rank": "Median rank of the true clip in that choice, as a share of all: 0 is best, 0.5 is chance.",
    "two_way": "Share of the other clips that are less like the generated clip than the true one is; chance is 0.5.",
    "mel_correlation": "Correlation over time with the true log-mel, band by band; a mean spectrum earns 0.",
    "mel_correlation_over_bands": "Correlation over bands, frame by frame; a mean spectrum alone earns much of it.",
    "mel_correlation_flattened": "Correlation over all frames and bands at once; a mean spectrum earns much of it.",
    "estoi": "Extended short-time objective intelligibility: 1 is best, 0 is chance.",
    "stoi": "Short-time objective intelligibility, the original; noise scores above wrong speech.",
    "lsd": "Log-spectral distance from the true log-mel, in dB; 0 is best, and blur is favoured.",
    "mcd": "Mel-cepstral distortion, frame by frame, in dB; 0 is best, and blur is favoured.",
    "mcd_dtw": "Mel-cepstral distortion along the best time alignment, in dB; forgives being wrong.",
    "top1_of_50": "Top-1 among the heard window and any 49 others: the same chance on every data set, 0.02.",
    "top10_of_50": "Top-10 among the heard window and any 49 others; chance is 0.2 on every data set.",
    "top1_same_recording": "Top-1 among the windows that this listener heard in this recording.",
    "top1_same_sentence": "Top-1 among the windows of the heard one's sentence.",
    "top1_other_sentences": "Top-1 among the heard window and those of other sentences.",
    "top1_matched": "Top-1 among windows of the same loudness with as much speech.",
    "match_mismatch": "Share of the recording's other windows that the heard one beats; chance is 0.5.",
    "match_mismatch_matched": "Match/mismatch against windows of the same loudness with as much speech; chance is 0.5.",
    "top1_word_onset": "Top-1 among all windows that start at a word; neighbours overlap and are errors.",
    "top10_word_onset": "Top-10 among all windows that start at a word, as published; neighbours overlap.",
    "word_top1": "How often the true word is the most probable one; chance is naming frequent words.",
    "word_top10": "How often the true word is among the ten most probable; chance is naming frequent words.",
    "wakeword_identified": "Identified in the embedding of a keyword spotter (KWS), which no stage trained on.",
    "wakeword_two_way": "Two-way in the embedding of a keyword spotter (KWS); chance is 0.5.",
    "whisper_identified": "Identified in Whisper's embedding, which no stage trained on.",
    "wer": "Word error rate of Whisper on the clip, at most 1; 0 is best.",
    "cer": "Character error rate of Whisper on the clip, at most 1; 0 is best.",
    "word_hits": "Share of the true words that Whisper hears, in order; 1 is best.",
    "content": "Cosine of Whisper's encoder frames, each clip's mean removed; 0.25 is what wrong speech gets.",
    "speaker": "Cosine of voice embeddings; 0.5 is nothing, and one narrator scores high whatever is said.",
    "pesq": "Perceptual evaluation of speech quality, wide band, 1 to 4.64; wrong speech gets 1.",
    "dnsmos": "Predicted opinion of the voice overall (DNSMOS P.835), 1 to 5, whatever it says.",
    "dnsmos_signal": "Predicted opinion of the speech (DNSMOS P.835), 1 to 5, whatever it says.",
    "dnsmos_background": "Predicted opinion of the background (DNSMOS P.835), 1 to 5.",
    "dnsmos_p808": "Predicted opinion of the voice overall (DNSMOS P.808); noise alone gets 2.",
    "distillmos": "Predicted opinion of the voice overall (DistillMOS), 1 to 5, whatever it says.",
    "frechet_cepstral": "Fréchet distance of all cepstra from those of true speech; 0 is best.",
    "frechet_wakeword": "Fréchet distance of a keyword spotter's (KWS) embeddings from true speech's; 0 is best.",
    "frechet_whisper": "Fréchet distance of Whisper's frames from those of true speech; 0 is best.",
    "variance_ratio": "Variance over clips as a share of true speech's: aims at 1; 0 is one clip for everything.",
    "pairwise_similarity": "How much more alike generated clips are than true ones: 0 is best, towards 1 all are one.",
    "kl": "Divergence of a sound tagger's tags from those of the true clip, in nats; 0 is best.",
    "inception_score": "How clearly and how differently a sound tagger tags the clips; speech is near 1.",
}


def label(metric: str) -> str:
    """Return what tables call a metric: a short name for the suite's own, the name itself for others."""
    return LABELS.get(metric, metric)


def signed(value: float, low: float, high: float) -> str:
    """Return a difference with its interval, each with its sign."""
    return f"{value:+z.3f} [{low:+z.3f}, {high:+z.3f}]"


def p_text(p: float) -> str:
    """Return a p value as papers write it."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
