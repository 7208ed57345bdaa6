#!/usr/bin/env bash
# torch 2.11.0: on a CPU, optimisers with fused=True pair weights and gradients by their place in memory, not by their index.
#
# Expected: the same gradient gives the same step, however it lies in memory; if a layout is not supported, an error.
# What happens: with the gradient of a (4, 3, 2, 2) weight in channels_last order, SGD, Adam, AdamW and Adagrad change other
# weights than they should, without a word: steps of Adam at a rate of 0.1 differ by 0.2, that is, go the opposite way. The
# foreach and the plain forms are right. A backward pass lays gradients out like their weights, so loss.backward() is safe; what
# torch.autograd.grad returns of convolutions is not, since those choose the layout that is fastest for them.
#
# Why it matters: gradients that are computed in parts and summed by hand (data parallelism in threads, gradient surgery, federated or
# per-sample training) are put into .grad by assignment. Training then goes on and even learns, only much worse. Copy into
# torch.empty_like(weight) first.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.11.0 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PY'
import torch

torch.manual_seed(0)
weight, gradient = torch.randn(4, 3, 2, 2), torch.randn(4, 3, 2, 2)
layouts = gradient, gradient.to(memory_format=torch.channels_last)
assert torch.equal(*layouts) and layouts[0].stride() != layouts[1].stride()


def stepped(kind, gradient, **options):
    parameter = torch.nn.Parameter(weight.clone())
    parameter.grad = gradient
    kind([parameter], lr=0.1, **options).step()
    return parameter.detach()


print("torch", torch.__version__)
for kind in (torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW, torch.optim.Adagrad):
    for form in ({"fused": True}, {"foreach": True}, {"foreach": False}):
        one, other = (stepped(kind, layout, **form) for layout in layouts)
        difference = float((one - other).abs().max())
        print(f"{kind.__name__:8} {form}: steps differ by {difference:.3f}")
        assert (difference > 0.1) == ("fused" in form)

convolution = torch.nn.Conv2d(16, 16, 3, padding=1)
image = torch.randn(2, 16, 8, 8).to(memory_format=torch.channels_last)
(own,) = torch.autograd.grad(convolution(image).square().sum(), [convolution.weight])
convolution(image).square().sum().backward()
print("strides: weight", convolution.weight.stride(), "autograd.grad", own.stride(), "backward", convolution.weight.grad.stride())
assert own.stride() != convolution.weight.stride() == convolution.weight.grad.stride()
PY
