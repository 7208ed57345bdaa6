#!/usr/bin/env bash
# torch 2.11.0: FlopCounterMode counts nothing for scaled dot-product attention on a CPU.
#
# Expected: two matrix products of 64 x 64 x 16 for each of two heads, 524,288 floating-point operations, as the counter says for the same
# attention written as matrix products, or where the plain kernel is asked for.
# What happens: 0. On a CPU attention runs as an operator of its own (_scaled_dot_product_flash_attention_for_cpu), for which the counter
# has no formula; it leaves it out and says nothing.
#
# Why it matters: a transformer's cost is understated wherever it is counted on a CPU, by the share that attention has, and grows too slowly
# with the length of a window. Count under sdpa_kernel(SDPBackend.MATH).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.11.0 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PY'
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention
from torch.utils.flop_counter import FlopCounterMode

query = torch.randn(1, 2, 64, 16)
by_hand = 2 * 2 * (2 * 64 * 64 * 16)


def counted(attend):
    with FlopCounterMode(display=False) as counter:
        attend()
    return counter.get_total_flops()


as_products = counted(lambda: (query @ query.transpose(-1, -2)).softmax(-1) @ query)
usual = counted(lambda: scaled_dot_product_attention(query, query, query))
with sdpa_kernel(SDPBackend.MATH):
    plain = counted(lambda: scaled_dot_product_attention(query, query, query))
print(f"by hand {by_hand}, as products {as_products}, plain kernel {plain}, usual kernel {usual}")
assert (as_products, plain, usual) == (by_hand, by_hand, 0)
print("as described")
PY
