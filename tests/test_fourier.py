"""`torch.fft`, `stft`, windows and `gradient`: forms of arguments and errors beside op_db's."""

import numpy as np
import pytest
import torch

import torchcompat
from tests._both import attempt, same

X = np.random.default_rng(0).standard_normal((3, 4)).astype("f")
C = (X + 1j * X[::-1]).astype("complex64")
SIGNAL = np.random.default_rng(1).standard_normal((2, 40)).astype("f")

# Expressions of `t`, its tensors `x` (3, 4), `c` (the same, complex) and `s` (2, 40), `w` a window of
# 16 and `S` the spectrum of `s` under it.
TRANSFORMS = """
t.fft.fft(x, 0)|t.fft.fft(x, -1)|t.fft.fft(t.tensor(1.))|t.fft.fft(x, dim=3)|t.fft.fft(x, 7, 0)
t.fft.fft(x.half())|t.fft.rfft(c)|t.fft.ihfft(c)|t.fft.rfftn(c)|t.fft.ihfft2(c)|t.fft.rfft2(c)
t.fft.fftn(x, dim=(0, 0))|t.fft.fftn(x, s=(2, 3, 4))|t.fft.fftn(x, s=(2, 3), dim=(0,))
t.fft.fftn(x, s=(0, 3))|t.fft.fftn(x, s=(-1, 3))|t.fft.fft(x, norm='bad')|t.fft.irfft(c)
t.fft.irfft(c, 1)|t.fft.irfft(c, 0)|t.fft.irfft(x[:, :1])|t.fft.fftn(t.tensor(1.))
t.fft.rfftn(t.tensor(1.))|t.fft.fftn(x, dim=())|t.fft.hfftn(c, dim=())|t.fft.fft2(x[0])
t.fft.fft2(x, s=(2,))|t.fft.hfft2(c, dim=(0,))|t.fft.irfftn(c, s=(4,))|t.fft.fft(x.int())
t.fft.rfft(x > 0)|t.fft.fft(1.0)|t.fft.fftn(x, s=2)|t.fft.fftn(x, dim=0)
t.fft.ifft(c, norm='forward')|t.fft.hfft(c, norm='ortho')|t.fft.ihfft(x, norm='forward')
t.fft.irfft2(c, norm='ortho')|t.fft.rfftn(x, s=(-1, 3))|t.fft.irfftn(c, s=(3, -1))
t.fft.fftshift(x)|t.fft.ifftshift(x, 1)|t.fft.fftshift(x, (0, 0))|t.fft.fftshift(x, ())
t.fft.fft(x, out=t.empty(0, dtype=t.complex64))|t.fft.fftfreq(5)|t.fft.fftfreq(4, 0.3)
t.fft.fftfreq(5, 0.1, dtype=t.float64)|t.fft.rfftfreq(5)|t.fft.rfftfreq(6, d=2.)|t.fft.fftfreq(0)
t.fft.fftfreq(-1)|t.fft.fftfreq(4, dtype=t.int32)|t.fft.fftfreq(4, dtype=t.complex64)
t.fft.fftfreq(4, 0)|t.fft.fftfreq(4, requires_grad=True)|t.fft.fftfreq(5.)
"""
SHORT_TIME = """
t.stft(s, 16, window=w)|t.stft(s, 16, window=w, return_complex=True)
t.stft(s, 16, 4, 12, window=t.ones(12), return_complex=True, normalized=True)
t.stft(s, 16, 4, 12, window=w, return_complex=True)|t.stft(s[None], 16, window=w, return_complex=True)
t.stft(s, 16, window=w, center=False, return_complex=True, onesided=False)
t.stft(s, 50, center=False, window=t.ones(50), return_complex=True)
t.stft(s, 16, 0, window=w, return_complex=True)|t.stft(s, 16, 4, 17, window=w, return_complex=True)
t.stft(s.int(), 16, window=w, return_complex=True)|t.stft(s[0], 16, window=w, return_complex=True)
t.stft(s, 16, pad_mode='constant', window=w, return_complex=True)
t.stft(s, 16, pad_mode='bad', window=w, return_complex=True)
t.stft(s[0], 16, 4, 9, t.hann_window(9), False, align_to_window=True, return_complex=True)
t.stft(s, 16, window=w, return_complex=True, align_to_window=True)
t.stft(s, 16, window=w.double(), return_complex=True)|s.stft(16, window=w, return_complex=True)
t.stft(c.reshape(-1), 8, window=w[:8])|t.stft(c.reshape(-1), 8, window=w[:8], onesided=True)
t.istft(S, 16, window=w)|t.istft(S, 16, window=w, length=37)|t.istft(S[0], 16, window=w)
t.istft(S, 16, window=w, center=False)|t.istft(S, 16, window=w, return_complex=True)
t.istft(S, 16, window=w, onesided=False)|t.istft(S.real, 16, window=w)|t.istft(S, 18, window=w)
t.istft(S, 16, 20, window=w)|t.istft(S[:0], 16, window=w)|S.istft(16, window=w, normalized=True)
t.istft(S, 16, window=w.to(t.complex64))|t.istft(S[None], 16, window=w)
"""
GRADIENT = """
t.gradient(x)|t.gradient(x, dim=3)|t.gradient(x, dim=())|t.gradient(x, spacing=2, dim=1)
t.gradient(x, spacing=(2.,))|t.gradient(x, spacing=(1., 2.), dim=1)|t.gradient(x, edge_order=3)
t.gradient(x, spacing=(t.arange(3.), t.arange(4.).double()))|t.gradient(x[:1])
t.gradient(x, spacing=(t.arange(3.), t.arange(5.)))|t.gradient(t.tensor(1.))|t.gradient(t.arange(5))
t.gradient(x, spacing=(t.tensor([0., 1, 3]), t.tensor([0., 1, 3, 4.5])), edge_order=2)
t.gradient(t.arange(5, dtype=t.uint8))|t.gradient(x, spacing=t.tensor(2.), dim=0)
t.gradient(x, dim=(0, 1), spacing=(1, 2j))|t.gradient(t.tensor([True, False]))
"""


def lines(text):
    return text.strip().replace("\n", "|").split("|")


def outcomes(source):
    found = []
    for library in (torchcompat, torch):
        s, w = library.tensor(SIGNAL), library.hann_window(16)
        names = {"t": library, "x": library.tensor(X), "c": library.tensor(C), "s": s, "w": w}
        names["S"] = library.stft(s, 16, window=w, return_complex=True)
        found.append(attempt(eval, source, names))
    return found


@pytest.mark.parametrize("source", lines(TRANSFORMS) + lines(SHORT_TIME) + lines(GRADIENT))
def test_forms_and_errors(source):
    (ours, _), (theirs, _) = outcomes(source)
    assert same(ours, theirs), f"torchcompat {ours!r}, torch {theirs!r}"


def test_short_time_warnings():
    library = torchcompat._tensor._short_time
    for source in ("t.stft(s, 16, return_complex=True)", "t.istft(S, 16, window=w, length=60)"):
        library._warned.clear()
        (result, (warning,)), (expected, theirs) = outcomes(source)
        assert same(result, expected)
        assert warning[0] == "UserWarning"
        assert theirs in ([], [warning])  # torch warns once a process
    library._warned.clear()


def test_stft_is_undone():
    x = torchcompat.tensor(SIGNAL, requires_grad=True)
    window = torchcompat.hann_window(16)
    spectrum = torchcompat.stft(x, 16, window=window, return_complex=True)
    back = torchcompat.istft(spectrum, 16, window=window, length=40)
    np.testing.assert_allclose(np.asarray(back.detach()), SIGNAL, atol=1e-5)
    back.sum().backward()
    np.testing.assert_allclose(np.asarray(x.grad), 1, atol=1e-4)


WINDOWS = [f"t.{name}_window" for name in "hann hamming blackman bartlett kaiser".split()]
SIGNALS = [f"t.signal.windows.{name}" for name in torch.signal.windows.__all__]
WINDOW_ERRORS = """
t.hann_window(-1)|t.hann_window(4, dtype=t.complex64)|t.hann_window(5.0)|t.kaiser_window(5, False, 2.)
t.hamming_window(5, True, .5, .3)|t.hann_window(4, requires_grad=True)|t.signal.windows.hann(-1)
t.signal.windows.hann(5, dtype=t.int32)|t.signal.windows.hann(5, dtype=t.float16)
t.signal.windows.gaussian(5, std=0)|t.signal.windows.gaussian(5, 1.)
t.signal.windows.exponential(5, center=1)|t.signal.windows.exponential(5, sym=False, center=1)
t.signal.windows.exponential(5, tau=-1)|t.signal.windows.kaiser(5, beta=-1)
t.signal.windows.general_cosine(5, a=[])|t.signal.windows.general_cosine(5, a=.5)
"""


@pytest.mark.parametrize("name", WINDOWS + SIGNALS)
def test_windows(name):
    keyword = "periodic" if "_window" in name else "sym"
    weights = ", a=[0.4, 0.3, 0.2]" if name.endswith("general_cosine") else ""
    for dtype, rtol in (("float32", 1e-6), ("float64", 1e-13)):
        for length in (0, 1, 2, 5, 400):
            for flag in (True, False):
                source = f"{name}({length}, {keyword}={flag}, dtype=t.{dtype}{weights})"
                got, want = (np.asarray(eval(source, {"t": lib})) for lib in (torchcompat, torch))
                assert got.dtype == want.dtype
                np.testing.assert_allclose(got, want, rtol=rtol, atol=5 * rtol, err_msg=source)


@pytest.mark.parametrize("source", lines(WINDOW_ERRORS))
def test_window_forms_and_errors(source):
    (ours, _), (theirs, _) = outcomes(source)
    assert same(ours, theirs), f"torchcompat {ours!r}, torch {theirs!r}"
