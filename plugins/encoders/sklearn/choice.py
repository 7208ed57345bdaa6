"""Chooses estimators: by the name of a class, or as given, if they follow scikit-learn's conventions."""

from __future__ import annotations

import importlib
from typing import Any

from eeg2speech_bench.core.errors import ContractError

#: what an estimator must have
CONVENTIONS = ("fit", "predict", "get_params", "set_params", "__sklearn_tags__")


def choose_estimator(target: str) -> Any:
    """Import and return a new estimator, named as ``"package.module:Class"``.

    Raises
    ------
    ContractError
        If there is none of that name, or it is no regressor.
    """
    module, _, name = target.partition(":")
    try:
        named = getattr(importlib.import_module(module), name)
        if not isinstance(named, type) or not _follows_conventions(named):
            raise _no_regressor(target)  # a model of somebody else may name anything: it is not called
        made = named()
        check_estimator(made)
    except ContractError:
        raise
    except Exception as error:  # a module can do anything when it is imported
        raise ContractError(
            f"Estimator '{target}' could not be made",
            got=f"{type(error).__name__}: {error}",
            expected="package.module:Class, a class that can be made without arguments",
            then="Such as sklearn.linear_model:Lasso; its parameters go into the option 'parameters'.",
        ) from error
    return made


def check_estimator(estimator: Any) -> Any:
    """Return an estimator that is a regressor; one that takes a single target is made one of several.

    Raises
    ------
    ContractError
    """
    from sklearn.base import is_classifier
    from sklearn.multioutput import MultiOutputRegressor
    from sklearn.neural_network import MLPRegressor
    from sklearn.utils import get_tags

    if not _follows_conventions(estimator) or is_classifier(estimator):
        raise _no_regressor(type(estimator).__name__)
    last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    takes_several = get_tags(estimator).target_tags.multi_output or isinstance(last, MLPRegressor)  # whose tag says no
    return estimator if takes_several else MultiOutputRegressor(estimator)


def _no_regressor(got: str) -> ContractError:
    return ContractError(
        "That is no regressor of scikit-learn's kind",
        got=got,
        expected=f"an object, or its class, with {', '.join(CONVENTIONS)}",
        then="Derive it from sklearn.base.RegressorMixin and BaseEstimator.",
    )


def _follows_conventions(candidate: object) -> bool:
    return all(hasattr(candidate, name) for name in CONVENTIONS)


def seed_estimator(estimator: Any, seed: int) -> Any:
    """Give every ``random_state`` that is left open a seed; return the estimator."""
    names = [name for name, value in estimator.get_params().items() if value is None]
    return estimator.set_params(**{name: seed for name in names if name.split("__")[-1] == "random_state"})
