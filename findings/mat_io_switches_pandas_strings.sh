#!/usr/bin/env bash
# mat-io 1.0.2: importing it changes how pandas holds text, for the whole process.
#
# Expected: a package that reads MATLAB files changes no setting of another library.
# What happens: `import matio` and the first table that it reads set pandas' option future.infer_string to True; pandas 3 warns that the
# option is on its way out.
#
# Why it matters: where the option was off, columns of text that are made afterwards have another type and another missing value, in code
# that has nothing to do with MATLAB. Note the option before the import, and put it back after it.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check mat-io==1.0.2 pandas==2.3.3 numpy==2.3.5
cd "$work"
"$work/venv/bin/python" - <<'PY'
import pandas as pd

before, kept = pd.options.future.infer_string, pd.Series(["a", None]).dtype
import matio  # noqa: E402

from matio import load_from_mat, save_to_mat  # noqa: E402

save_to_mat("table.mat", {"t": pd.DataFrame({"x": [1.0, 2.0]})}, version="v7")
load_from_mat("table.mat")
after, other = pd.options.future.infer_string, pd.Series(["a", None]).dtype
print(f"future.infer_string {before} before, {after} after; text is {kept} before, {other} after")
assert (bool(before), bool(after)) == (False, True)
assert str(kept) == "object" != str(other)
print("as described")
PY
