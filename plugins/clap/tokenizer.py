"""Turns text into tokens: bytes for small towers, RoBERTa's pieces for pretrained ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from eeg2speech_bench.core.weights.pretrained import load_pretrained

#: LAION trained the text tower on texts cut at this many tokens
MAX_TOKENS = 77
#: RoBERTa's numbers for the start of a text, padding and the end of a text
START, PADDING, END = 0, 1, 2
#: the three above, then the 256 bytes
N_BYTE_TOKENS = 3 + 256

#: maps texts to ``input_ids`` and ``attention_mask``, both LongTensor of shape (batch, n_tokens)
Tokenize = Callable[[Sequence[str]], dict[str, Tensor]]


def byte_tokens(texts: Sequence[str], max_tokens: int) -> dict[str, Tensor]:
    """Turn texts into their UTF-8 bytes between a start and an end token.

    This needs no vocabulary and no download.

    Parameters
    ----------
    texts : sequence of str
        May be empty strings: a window of silence is a start and an end.
    max_tokens : int
        Longer texts are cut, the end token included.

    Returns
    -------
    dict of LongTensor
        ``input_ids`` and ``attention_mask``, shape (batch, n_tokens).
    """
    rows = [torch.tensor([START, *(3 + byte for byte in text.encode()[: max_tokens - 2]), END]) for text in texts]
    ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=PADDING)
    return {"input_ids": ids, "attention_mask": (ids != PADDING).long()}


def load_tokenizer(source: str) -> Tokenize:
    """Load RoBERTa's tokenizer as the pretrained text towers use it.

    Parameters
    ----------
    source : str
        Hub id, pinned if it ends in ``@revision``; or a local folder in the format of transformers.

    Raises
    ------
    BenchError
        If it can neither be downloaded nor found in a folder.
    """
    from transformers import AutoTokenizer

    owner = "Tokenizer of encoder 'clap-text'"
    tokenizer = load_pretrained(AutoTokenizer, source, what=owner, option="encoder.clap-text.tokenizer")

    def tokenize(texts: Sequence[str]) -> dict[str, Tensor]:
        tokens = tokenizer(list(texts), padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
        return {"input_ids": tokens["input_ids"], "attention_mask": tokens["attention_mask"]}

    return tokenize
