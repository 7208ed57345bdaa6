"""Says how wrong an estimated spectrum or a decoded mel spectrogram is."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from eeg2speech_bench.core.generator.mel import HOP, N_FFT, PAD
from eeg2speech_bench.core.generator.spectrum_network import harmonic_combs

#: bins below this magnitude are silence; speech of peak 0.5 reaches about 60
SILENT = 0.01
#: frames of the segments over which envelopes are correlated: 0.38 s, as ESTOI does
SEGMENT = 38


def magnitudes(wave: Tensor) -> Tensor:
    """Return the magnitudes of which the mel spectrogram is made, shape (batch, n_frames, 513)."""
    frames = F.pad(wave[:, None], (PAD, PAD), mode="reflect")[:, 0].unfold(1, N_FFT, HOP)
    return torch.fft.rfft(frames * torch.hann_window(N_FFT, device=wave.device)).abs()


def spectrum_loss(magnitude: Tensor, true: Tensor) -> Tensor:
    """Return the error of magnitudes, of their logarithm and of their square root, shape ()."""
    log = (torch.log(magnitude + SILENT) - torch.log(true + SILENT)).abs().mean()
    root = ((magnitude + 1e-3).sqrt() - (true + 1e-3).sqrt()).abs().mean()
    return log + 2 * root


def pitch_labels(true: Tensor, combs: Tensor) -> tuple[Tensor, Tensor]:
    """Find the pitch of a spectrum by the comb that fits it best.

    Returns
    -------
    label : Tensor of int64, shape (batch, n_frames)
    weight : Tensor, shape (batch, n_frames)
        1 where a comb fits well, else 0.
    """
    below = combs.shape[1] // 4  # 2 kHz: higher harmonics are smeared by changes of pitch
    log = torch.log(true[..., :below] + SILENT)
    local = F.avg_pool1d(log.flatten(0, 1)[:, None], 25, 1, 12, count_include_pad=False)[:, 0].view_as(log)
    fine = log - local
    shapes = combs[:, :below]
    shapes = shapes - F.avg_pool1d(shapes[:, None], 25, 1, 12, count_include_pad=False)[:, 0]
    shapes = shapes / shapes.norm(dim=1, keepdim=True)
    fit = (fine @ shapes.T) / fine.norm(dim=-1, keepdim=True).clamp(min=1e-3)
    # Of a pitch and its half or third, which fit nearly as well, the highest is meant.
    best = fit.amax(-1, keepdim=True)
    label = (torch.arange(len(combs), device=fit.device) * (fit > 0.9 * best)).argmax(-1)
    near = torch.stack([fit.gather(-1, (label + k).clamp(0, len(combs) - 1)[..., None])[..., 0] for k in range(-6, 1)])
    label = (label + near.argmax(0) - 6).clamp(0, len(combs) - 1)
    return label, (best[..., 0] > 0.5).float() * (true[..., :below].amax(-1) > 0.5)


def pitch_loss(scores: Tensor, true: Tensor, combs: Tensor) -> Tensor:
    """Return the cross-entropy of pitch scores (batch, n_frames, 192), spread over neighbouring pitches, shape ()."""
    label, weight = pitch_labels(true, combs)
    distance = torch.arange(scores.shape[-1], device=scores.device) - label[..., None]
    wanted = torch.exp(-0.5 * (distance / 1.0) ** 2)
    loss = -(wanted / wanted.sum(-1, keepdim=True) * scores.log_softmax(-1)).sum(-1)
    return (loss * weight).sum() / weight.sum().clamp(min=1)


def fixed_combs(device: str) -> Tensor:
    """Return the combs that pitches are labelled with."""
    return harmonic_combs().to(device)


def mel_loss(decoded: Tensor, mel: Tensor) -> Tensor:
    """Return the error of log-mel values, of their contrast to neighbours, and of the correlation of envelopes."""
    loudest = mel.amax((1, 2), keepdim=True)
    weight = 0.3 + 0.7 * torch.sigmoid(mel - loudest + 6)  # what lies 52 dB below the loudest counts less
    error = ((decoded - mel).abs() * weight).mean()
    contrast = sum(((decoded - mel).diff(dim=d).abs() * weight.narrow(d, 1, mel.shape[d] - 1)).mean() for d in (1, 2))
    return error + 0.5 * contrast + envelope_loss(decoded, mel)


def envelope_loss(decoded: Tensor, mel: Tensor) -> Tensor:
    """Return 1 less the correlation of spectral envelopes over 0.38 s, normalised in time and then over bands."""

    def normalised(log: Tensor) -> Tensor:
        segments = log[..., :54].clamp(max=2).exp().unfold(1, SEGMENT, 8)  # (batch, n_segments, bands, frames)
        in_time = segments - segments.mean(-1, keepdim=True)
        in_time = in_time / (in_time.norm(dim=-1, keepdim=True) + 1e-3)
        bands = in_time - in_time.mean(-2, keepdim=True)
        return bands / (bands.norm(dim=-2, keepdim=True) + 1e-3)

    return 1 - (normalised(decoded) * normalised(mel)).sum(-2).mean()
