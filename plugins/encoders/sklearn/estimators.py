"""Defines the encoders that scikit-learn fits: what each is made of, and how large it is by default."""

from __future__ import annotations

from typing import Any

from eeg2speech_bench.plugins.encoders.sklearn.encoder import SklearnEncoder

#: penalties that leave-one-out chooses from, in squared inter-quartile ranges summed over rows
PENALTIES = tuple(10.0**k for k in range(9))


class Pls(SklearnEncoder):
    """Finds directions of the lagged EEG that share most variance with the target, and regresses on them."""

    #: directions, where there are as many
    N_COMPONENTS = 20

    def estimator(self, n_rows: int) -> Any:
        """Return a regression on partial least squares."""
        from eeg2speech_bench.plugins.encoders.sklearn.regressions import CompressedPls

        return CompressedPls(min(self.N_COMPONENTS, n_rows, self.eeg.n_features))


class Cca(SklearnEncoder):
    """Finds directions of the lagged EEG and of the target that correlate most, and regresses on them.

    Principal components come first: without them the directions follow noise, and each costs a decomposition of all
    columns.
    """

    #: principal components of the lagged EEG, and pairs of directions, where there are as many
    N_PRINCIPAL, N_COMPONENTS = 64, 10

    def estimator(self, n_rows: int) -> Any:
        """Return a canonical correlation on principal components."""
        from sklearn.decomposition import PCA
        from sklearn.pipeline import make_pipeline

        from eeg2speech_bench.plugins.encoders.sklearn.regressions import CanonicalRegression

        n_principal = min(self.N_PRINCIPAL, n_rows, self.eeg.n_features)
        principal = PCA(n_principal, svd_solver="covariance_eigh", whiten=True)
        return make_pipeline(principal, CanonicalRegression(min(self.N_COMPONENTS, n_principal, self.dim)))


class RidgeCv(SklearnEncoder):
    """Chooses the penalty of a ridge regression by leave-one-out on training rows, where `ridge` asks validation."""

    def estimator(self, n_rows: int) -> Any:
        """Return a ridge regression that chooses among `PENALTIES`."""
        from sklearn.linear_model import RidgeCV

        return RidgeCV(PENALTIES)


class KernelRidge(SklearnEncoder):
    """Regresses on similarities with a few training rows (Nystroem), which approximate a Gaussian kernel."""

    #: training rows that others are compared with
    N_LANDMARKS = 300

    def estimator(self, n_rows: int) -> Any:
        """Return a ridge regression on a Nystroem approximation."""
        from sklearn.kernel_approximation import Nystroem
        from sklearn.linear_model import RidgeCV
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        kernel = Nystroem(n_components=min(self.N_LANDMARKS, n_rows))
        return make_pipeline(StandardScaler(), kernel, RidgeCV([10.0**k for k in range(-3, 4)]))


class Mlp(SklearnEncoder):
    """Trains a network of one hidden layer token by token, in passes that end when validation does not improve."""

    #: width of the hidden layer
    HIDDEN = 128

    def estimator(self, n_rows: int) -> Any:
        """Return a network on standardised columns."""
        from sklearn.neural_network import MLPRegressor
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        return make_pipeline(StandardScaler(), MLPRegressor(hidden_layer_sizes=(self.HIDDEN,), alpha=1e-2))
