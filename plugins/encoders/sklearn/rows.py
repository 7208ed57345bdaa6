"""Declares the rows of scikit-learn, without importing it."""

from __future__ import annotations

from typing import Any

from eeg2speech_bench.core.specs import EncoderSpec

_PACKAGE = "eeg2speech_bench.plugins.encoders.sklearn"


def specs() -> list[EncoderSpec]:
    """Return the encoders that are fitted by scikit-learn, and the one that takes any estimator."""
    # None of them can train a target along, so all are fitted to log-mel frames, as ridge is.
    common: dict[str, Any] = {"audio_target": "mel"}
    module, library = f"{_PACKAGE}.estimators", "Pedregosa et al. 2011, JMLR 12:2825"
    return [
        EncoderSpec("pls", f"{module}:Pls", "partial least squares on time-lagged EEG", citation=library, **common),
        EncoderSpec(
            "cca",
            f"{module}:Cca",
            "canonical correlation on the principal components of time-lagged EEG",
            citation="de Cheveigne et al. 2018, NeuroImage 172:206",
            **common,
        ),
        EncoderSpec(
            "ridge-cv",
            f"{module}:RidgeCv",
            "ridge regression on time-lagged EEG, the penalty by leave-one-out",
            baseline=True,
            citation=library,
            **common,
        ),
        EncoderSpec(
            "kernel-ridge",
            f"{module}:KernelRidge",
            "ridge regression on an approximated Gaussian kernel of time-lagged EEG",
            citation="Williams and Seeger 2000, NIPS 13",
            **common,
        ),
        EncoderSpec("mlp", f"{module}:Mlp", "one hidden layer on time-lagged EEG", citation=library, **common),
        EncoderSpec(
            "sklearn",
            f"{_PACKAGE}.encoder:NamedEstimator",
            "any regressor or pipeline that follows scikit-learn's conventions",
            on_request="it needs encoder.sklearn.estimator=module:Class",
            citation=library,
            **common,
        ),
    ]
