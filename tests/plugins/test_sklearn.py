"""Estimators of scikit-learn as encoders: their rows, their arithmetic, what they see, and what is kept of them."""

from __future__ import annotations

import io
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hidden_sound import DIM, N_CHANS, N_TIMES, SFREQ, SIGNAL, TARGET, segments
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.cross_decomposition import PLSRegression
from sklearn.linear_model import LinearRegression
from sklearn.linear_model import Ridge as PlainRidge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from eeg2speech_bench.core.errors import ContractError, DataError, UsageError
from eeg2speech_bench.core.segments.segment_store import Batch
from eeg2speech_bench.plugins.encoders.ridge import Ridge
from eeg2speech_bench.plugins.encoders.sklearn import fitting
from eeg2speech_bench.plugins.encoders.sklearn.choice import choose_estimator
from eeg2speech_bench.plugins.encoders.sklearn.encoder import NamedEstimator
from eeg2speech_bench.plugins.encoders.sklearn.estimators import Cca, KernelRidge, Mlp, Pls, RidgeCv
from eeg2speech_bench.plugins.encoders.sklearn.training_rows import POOLED, TrainingRows

#: two lags on either side, which are whole samples here
LAGS = (-2 / SFREQ, 2 / SFREQ)


def design(batches, n_lags=2):
    """Lay segments out by loops: rows of lagged EEG and of the target, in float64."""
    rows, target = [], []
    for batch, tokens in batches:
        for eeg, sound in zip(batch.eeg.double().numpy(), tokens.double().numpy(), strict=True):
            centred = eeg - eeg.mean(1, keepdims=True)
            for t in range(N_TIMES):
                at = [t + lag for lag in range(-n_lags, n_lags + 1)]
                rows.append(np.concatenate([centred[:, k] if 0 <= k < N_TIMES else np.zeros(N_CHANS) for k in at]))
                target.append(sound[t])
    return np.asarray(rows), np.asarray(target)


def fitted(kind, train=None, valid=None, **options):
    encoder = kind.build(SIGNAL, TARGET, **{"lags_s": LAGS, **options})
    facts = encoder.fit(segments(6) if train is None else train, segments(2, seed=1) if valid is None else valid)
    return encoder, facts


def named(estimator, **options):
    return fitted(NamedEstimator, estimator=estimator, **options)


def embed(encoder, batches):
    return torch.cat([encoder(batch).embeddings for batch, _ in batches]).flatten(0, 1).numpy()


def correlation(encoder, batches):
    truth = torch.cat([tokens for _, tokens in batches]).flatten().numpy()
    return np.corrcoef(embed(encoder, batches).ravel(), truth)[0, 1]


@pytest.mark.parametrize("kind", [Pls, Cca, RidgeCv, KernelRidge, Mlp])
def test_a_lagged_mixture_is_unmixed_on_new_segments(kind):
    encoder, facts = fitted(kind)
    assert correlation(encoder, segments(2, seed=2)) > 0.85
    assert 0.8 < facts["valid_r"] <= 1


def test_rows_are_the_channels_at_each_lag_and_nothing_beyond_the_window():
    encoder, _ = fitted(RidgeCv)
    batches = segments(1)
    expected, _ = design(batches)
    np.testing.assert_allclose(encoder.eeg.rows(batches[0][0].eeg).flatten(0, 1).numpy(), expected, atol=1e-6)


def test_ridge_cv_equals_our_ridge_at_equal_penalties(monkeypatch):
    train = segments(3)
    features, _ = design(train)
    monkeypatch.setattr("eeg2speech_bench.plugins.encoders.ridge.PENALTIES", (0.1,))
    ours = Ridge.build(SIGNAL, TARGET, lags_s=LAGS, per_subject=False)
    ours.fit(train, train)
    alpha = 0.1 * float(np.square(features).sum()) / features.shape[1]
    theirs, _ = fitted(RidgeCv, train, train, per_subject=False, parameters={"alphas": [alpha]})
    np.testing.assert_allclose(embed(theirs, segments(1, seed=2)), embed(ours, segments(1, seed=2)), atol=1e-5)


def test_one_component_of_pls_is_the_leading_singular_vector_of_the_cross_products():
    train = segments(3)
    encoder, _ = fitted(Pls, train, per_subject=False, parameters={"n_components": 1, "scale": False})
    features, target = design(train)
    x, y = features - features.mean(0), target - target.mean(0)
    direction = np.linalg.svd(x.T @ y)[0][:, 0]
    score = x @ direction
    expected = target.mean(0) + np.outer(score, score @ y / (score @ score))
    np.testing.assert_allclose(embed(encoder, train), expected, atol=1e-4)


def test_compressed_rows_give_the_partial_least_squares_of_all_rows():
    train = segments(3, noise=1.0)
    encoder, _ = fitted(Pls, train, per_subject=False, parameters={"n_components": 3, "max_iter": 5000, "tol": 1e-12})
    features, target = design(train)
    whole = PLSRegression(3, max_iter=5000, tol=1e-12).fit(features, target)
    np.testing.assert_allclose(embed(encoder, train), whole.predict(features), atol=1e-4)


def test_all_pairs_of_cca_are_least_squares_on_the_principal_components():
    train = segments(3)
    encoder, _ = fitted(Cca, train, per_subject=False)
    features, target = design(train)
    one_more = np.column_stack([features, np.ones(len(features))])
    expected = one_more @ np.linalg.lstsq(one_more, target, rcond=None)[0]
    np.testing.assert_allclose(embed(encoder, train), expected, atol=1e-3)


def test_pooled_rows_cannot_follow_listeners_of_opposite_sign():
    _, facts = fitted(RidgeCv, per_subject=False)
    assert abs(facts["valid_r"]) < 0.2


@pytest.mark.parametrize("unseen", [-1, 2])
def test_a_listener_never_seen_gets_the_pooled_estimator(unseen):
    same = (1.0, 1.0)
    encoder, _ = fitted(RidgeCv, segments(3, same), segments(2, same, seed=1))
    batch, tokens = segments(1, same, seed=2)[0]
    stranger = Batch(batch.eeg, torch.full_like(batch.subject, unseen), batch.window)
    assert correlation(encoder, [(stranger, tokens)]) > 0.9


def test_a_single_listener_is_fitted_once():
    alone = [(Batch(b.eeg, torch.zeros_like(b.subject), b.window), t) for b, t in segments(2)]
    encoder, _ = fitted(RidgeCv, alone, alone)
    assert list(encoder.estimators) == [POOLED]


def test_scalers_see_training_windows_only():
    train = segments(2)
    loud = [(Batch(100 * b.eeg, b.subject, b.window), t) for b, t in segments(2, seed=1)]
    encoder, _ = fitted(KernelRidge, train, loud, per_subject=False)
    np.testing.assert_allclose(encoder.estimators[POOLED][0].scale_, design(train)[0].std(0), rtol=1e-4)


class Counting(RegressorMixin, BaseEstimator):
    """Answers with zeros, and notes how many rows it is shown at a time."""

    shown: tuple[int, ...] = ()

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def fit(self, X, y):
        raise AssertionError("an estimator with partial_fit is not shown all rows at once")

    def partial_fit(self, X, y):
        self.shown = (*self.shown, len(X))
        return self

    def predict(self, X):
        return np.zeros((len(X), DIM))


def test_an_estimator_with_partial_fit_sees_every_row_in_chunks():
    kind = NamedEstimator.around(Counting())
    encoder, facts = fitted(kind, segments(5), per_subject=False, max_rows=1000)
    assert encoder.estimators[POOLED].shown == (1440, 960)  # 480 rows in a batch
    assert facts["n_rows"] == 2400


def test_the_pass_that_validates_best_is_kept():
    _, facts = fitted(NamedEstimator.around(Counting()), per_subject=False)
    assert facts["passes"] == 1


def test_transformers_are_fitted_in_a_pass_before_the_regressor():
    train = segments(3)
    encoder, _ = fitted(Mlp, train, per_subject=False, max_rows=700)
    np.testing.assert_allclose(encoder.estimators[POOLED][0].mean_, design(train)[0].mean(0), atol=1e-5)


def test_rows_beyond_the_limit_are_left_out_at_random():
    encoder, facts = fitted(RidgeCv, max_rows=500)
    assert facts["n_rows"] == 500
    rows = TrainingRows(encoder.eeg, DIM, segments(6), per_subject=True).sample(500, np.random.default_rng(0))
    assert {row: len(of_one) for row, of_one in rows.items()} == {0: 500, 1: 500, POOLED: 500}


def test_memory_is_told_before_the_fit():
    told = []
    encoder = RidgeCv.build(SIGNAL, TARGET, lags_s=LAGS)
    encoder.report = told.append
    facts = encoder.fit(segments(6), segments(1))
    assert told == ["3 fits of at most 2,880 rows at once, 20 columns: 0.00 GB of memory"]
    assert facts["memory_gb"] == pytest.approx(2 * 2880 * 22 * 4 / 1e9 + 2880 * 22 * 8 * fitting.COPIES / 1e9, abs=1e-3)


def test_a_fit_that_needs_more_memory_than_there_is_is_refused(monkeypatch):
    monkeypatch.setattr(fitting.psutil, "virtual_memory", lambda: SimpleNamespace(available=1000))
    with pytest.raises(DataError, match=r"do not fit into memory: got .* GB, expected at most 0.0 GB.*max_rows"):
        fitted(RidgeCv)


@pytest.mark.parametrize(("train", "valid", "word"), [([], None, "training"), (None, [], "to validate on")])
def test_an_empty_split_is_refused(train, valid, word):
    with pytest.raises(DataError, match=word):
        fitted(RidgeCv, train, valid)


@pytest.mark.parametrize("kind", [Pls, Cca, RidgeCv, KernelRidge, Mlp])
def test_a_fit_survives_its_state_without_pickle(kind):
    encoder, _ = fitted(kind, segments(1), segments(1, seed=1))
    stored = io.BytesIO()
    torch.save(encoder.state_dict(), stored)
    stored.seek(0)
    again = kind.build(SIGNAL, TARGET, lags_s=LAGS)
    again.load_state_dict(torch.load(stored, weights_only=True), strict=True)
    np.testing.assert_array_equal(embed(again, segments(1, seed=2)), embed(encoder, segments(1, seed=2)))


def test_the_scores_of_training_rows_are_not_kept():
    sizes = [fitted(Pls, segments(n), segments(1))[0].state_dict()["_extra_state"].numel() for n in (1, 6)]
    assert sizes[1] < 1.05 * sizes[0]


def test_a_state_that_names_foreign_code_is_refused():
    encoder, _ = fitted(NamedEstimator.around(Counting()), segments(1), segments(1))
    with pytest.raises(DataError, match=r"names code that does not belong to it: got .*Counting"):
        RidgeCv.build(SIGNAL, TARGET, lags_s=LAGS).load_state_dict(encoder.state_dict())


class Opaque(Counting):
    """Holds what no file can."""

    def partial_fit(self, X, y):
        self.held = (number for number in range(3))
        return self

    def __deepcopy__(self, memo):
        return self


def test_an_estimator_that_only_pickle_could_keep_is_refused_in_words():
    with pytest.raises(ContractError, match=r"A fitted Opaque cannot be kept.*without pickle"):
        fitted(NamedEstimator.around(Opaque()), segments(1), segments(1))


def test_an_estimator_of_one_target_is_made_one_of_several():
    encoder, _ = named("sklearn.svm:LinearSVR", parameters={"max_iter": 200})
    assert encoder.estimators[POOLED].estimators_[1].max_iter == 200
    assert correlation(encoder, segments(1, seed=2)) > 0.8


def test_parameters_of_a_step_reach_it():
    encoder, _ = fitted(KernelRidge, parameters={"nystroem__n_components": 7})
    assert encoder.estimators[POOLED][1].components_.shape == (7, 20)


def test_parameters_that_there_are_not_are_refused_before_the_fit():
    with pytest.raises(UsageError, match=r"'CompressedPls' refuses its parameters: got .*n_component"):
        Pls.build(SIGNAL, TARGET, parameters={"n_component": 3})


@pytest.mark.parametrize(
    ("estimator", "words"),
    [
        ("", "package.module:Class"),
        ("sklearn.linear_model:Laso", "AttributeError"),
        ("not_there:Class", "ModuleNotFoundError"),
        ("sklearn.linear_model:LogisticRegression", "no regressor"),
        ("pathlib:Path", "no regressor"),
    ],
)
def test_a_name_that_is_no_regressor_is_refused(estimator, words):
    with pytest.raises(ContractError, match=words):
        NamedEstimator.build(SIGNAL, TARGET, estimator=estimator)


def test_an_estimator_that_is_given_is_cloned():
    given = make_pipeline(StandardScaler(), PlainRidge(3.0))
    encoder, _ = fitted(NamedEstimator.around(given))
    assert not hasattr(given[1], "coef_")
    assert encoder.estimators[0][1].alpha == 3.0


def test_estimators_that_fail_are_named():
    class Broken(LinearRegression):
        def fit(self, X, y):
            raise RuntimeError("no luck")

    with pytest.raises(ContractError, match="Estimator 'Broken' failed: got RuntimeError: no luck"):
        fitted(NamedEstimator.around(Broken()))


def test_what_was_never_fitted_does_not_answer():
    with pytest.raises(ContractError, match="'Pls' was not fitted"):
        Pls.build(SIGNAL, TARGET)(segments(1)[0][0])


@pytest.mark.parametrize(("seeds", "equal"), [((1, 1), True), ((1, 2), False)])
def test_the_seed_decides_what_an_estimator_draws(seeds, equal):
    answers = []
    for seed in seeds:
        torch.manual_seed(seed)
        answers.append(embed(fitted(KernelRidge, segments(1), segments(1))[0], segments(1, seed=2)))
    assert np.array_equal(*answers) is equal


def test_lags_between_two_tokens_are_refused():
    with pytest.raises(DataError, match="No lag of the EEG lies in lags_s"):
        Pls.build(SIGNAL, TARGET, lags_s=(0.01, 0.02))


def test_estimates_carry_no_more_columns_than_rows_allow():
    encoder, _ = fitted(Pls, segments(1), segments(1), max_rows=5)
    assert encoder.estimators[POOLED].n_components == 5


def test_what_is_named_and_is_no_estimator_is_not_called(monkeypatch):
    called = []

    class Innocent:
        def __init__(self) -> None:
            called.append("class")

    module = SimpleNamespace(function=lambda: called.append("function"), Innocent=Innocent)
    monkeypatch.setitem(sys.modules, "named_by_a_model", module)
    for name in ("function", "Innocent"):
        with pytest.raises(ContractError, match="That is no regressor of scikit-learn's kind"):
            choose_estimator(f"named_by_a_model:{name}")
    assert called == []
