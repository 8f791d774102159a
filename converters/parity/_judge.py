"""From two records to a report: errors of each module, and which one parts first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from converters.parity._error import Error
from converters.parity._record import Event, Recorder, Value
from converters.parity._report import Divergence, ParityReport, Row

# dtype -> (error allowed in units of the largest expected value, and on top of it)
_TOLERANCES = {
    "float64": (1e-10, 1e-12),
    "complex128": (1e-10, 1e-12),
    "float32": (5e-5, 1e-6),
    "complex64": (5e-5, 1e-6),
    "float16": (1e-2, 1e-4),
    "bfloat16": (5e-2, 1e-3),
}
_LOOSER_BACKWARD = 10.0
_RANDOM = ("Dropout", "AlphaDropout", "FeatureAlphaDropout", "RReLU")
_RANDOM += ("Dropout1d", "Dropout2d", "Dropout3d")


class Judge:
    """One comparison: the models, their records, and the tolerances."""

    def __init__(
        self,
        torch_model: Any,
        model: Any,
        theirs: Recorder,
        ours: Recorder,
        gradients: dict[str, tuple[Value | None, Value | None]],
        rtol: float | None,
        atol: float | None,
    ) -> None:
        self.torch_model, self.model = torch_model, model
        self.theirs, self.ours = theirs, ours
        self.parameters = gradients
        self.rtol, self.atol = rtol, atol
        self.kinds = {name: type(m).__name__ for name, m in torch_model.named_modules()}
        self.names = {name for name, _ in model.named_modules()}
        self.events = {(e.leaving, e.name, e.call): e for e in ours.events}

    def report(
        self, error: Exception | None, failed: Exception | None, backward: bool
    ) -> ParityReport:
        """The result. `error` and `failed` are what our forward and backward passes raised."""
        flow = self._flow() if backward and failed is None else {}
        back = self._backward(flow) if flow else None
        if failed is not None:
            back = Divergence("", self._kind(""), "error", _said(failed), np.inf, np.inf)
        return ParityReport(
            rows=[self._row(e, flow) for e in self.theirs.events if e.leaving],
            first_divergence=self._forward(error),
            first_backward_divergence=back,
            weights=self._weights(),
            only_in_torch=[name for name in self.kinds if name not in self.names],
            only_in_ours=sorted(self.names - self.kinds.keys()),
            notes=self._notes(),
            backward=backward,
        )

    # -- forward ---------------------------------------------------------------------------------

    def _forward(self, error: Exception | None) -> Divergence | None:
        """The first event, in torch's order, at which the records differ."""
        for event in self.theirs.events:
            if event.name not in self.names:
                continue
            found = self._error(event)
            if found is None and error is None:
                return self._divergence(event.name, "not called", "ours does not call it")
            if found is None:
                break  # ours raised before it came here
            if not found.ok:
                return self._blame(event, found)
        if error is None:
            return None
        name = self.ours.open[-1] if self.ours.open else ""
        return self._divergence(name, "error", _said(error), Error(np.inf, np.inf, False))

    def _blame(self, event: Event, found: Error) -> Divergence:
        if event.leaving:
            inner = any(e.caller == event.name for e in self.theirs.events)
            reason = "own code" if inner else "output"
            detail = "output " + _words(found)
            if inner:
                detail += ", while those of its submodules agree"
            return self._divergence(event.name, reason, detail, found)
        if event.caller is None:
            return self._divergence(event.name, "output", "the inputs " + _words(found), found)
        detail = f"what it hands to {event.name} {_words(found)}"
        return self._divergence(event.caller, "own code", detail, found)

    def _error(self, event: Event) -> Error | None:
        other = self.events.get((event.leaving, event.name, event.call))
        if other is None:
            return None
        return self._of_lists(other.values, event.values)

    def _of_lists(self, actual: Sequence[Value], expected: Sequence[Value]) -> Error:
        if len(actual) != len(expected):
            detail = f"{len(actual)} tensors for {len(expected)}"
            return Error(np.inf, np.inf, False, detail)
        worst = Error()
        for x, y in zip(actual, expected):
            worst = worst.worse(self._of(x, y))
        return worst

    def _of(self, x: Value, y: Value, looser: float = 1.0) -> Error:
        if x.array.shape != y.array.shape:
            return Error(np.inf, np.inf, False, f"shape {x.array.shape} for {y.array.shape}")
        if x.dtype != y.dtype:
            return Error(np.inf, np.inf, False, f"{x.dtype} for {y.dtype}")
        if not y.array.size:
            return Error()
        wide = np.complex128 if np.iscomplexobj(y.array) else np.float64
        a, b = x.array.astype(wide), y.array.astype(wide)
        with np.errstate(all="ignore"):
            same = (a == b) | (np.isnan(a) & np.isnan(b))
            apart = np.where(same, 0.0, np.abs(a - b))
            apart = np.where(np.isnan(apart), np.inf, apart)
            finite = np.abs(b[np.isfinite(b)])
        error, scale = float(apart.max()), float(finite.max()) if finite.size else 0.0
        rtol, atol = _TOLERANCES.get(y.dtype, (0.0, 0.0))
        rtol = rtol if self.rtol is None else self.rtol
        atol = atol if self.atol is None else self.atol
        relative = error / scale if scale else (np.inf if error else 0.0)
        return Error(error, float(relative), error <= looser * (atol + rtol * scale))

    # -- backward --------------------------------------------------------------------------------

    def _flow(self) -> dict[tuple[bool, str, int], Error]:
        """Errors of gradients, by (leaving, module, call). Parameters count as a module's inputs."""
        flow: dict[tuple[bool, str, int], Error] = {}
        theirs, ours = self.theirs.stable_gradients(), self.ours.stable_gradients()
        for key, value in theirs.items():
            if key in ours:
                found = self._of(ours[key], value, _LOOSER_BACKWARD)
                flow[key[:3]] = flow.get(key[:3], Error()).worse(found)
        for name, (expected, actual) in self.parameters.items():
            module = name.rpartition(".")[0]
            if expected is None and actual is None:
                continue
            if expected is None or actual is None:
                lacking = "ours" if actual is None else "torch"
                found = Error(np.inf, np.inf, False, f"no gradient in {lacking}")
            else:
                found = self._of(actual, expected, _LOOSER_BACKWARD)
            flow[False, module, 0] = flow.get((False, module, 0), Error()).worse(found)
        return flow

    def _backward(self, flow: dict[tuple[bool, str, int], Error]) -> Divergence | None:
        """The module nearest to the outputs that gets right gradients and passes on wrong ones."""
        for event in reversed([e for e in self.theirs.events if not e.leaving]):
            found = flow.get((False, event.name, event.call))
            if found is None or found.ok:
                continue
            name, caller = event.name, event.caller
            if not flow.get((True, name, event.call), Error()).ok and caller is not None:
                while caller and not flow.get((True, caller, 0), Error()).ok:
                    caller = self._caller(caller)
                detail = f"the gradient that it returns to {name} {_words(found)}"
                return self._divergence(caller or "", "own code", detail, found)
            return self._divergence(name, "gradient", "gradient " + _words(found), found)
        return None

    def _caller(self, name: str) -> str:
        return next(e.caller or "" for e in self.theirs.events if e.name == name)

    # -- the rest --------------------------------------------------------------------------------

    def _row(self, event: Event, flow: dict[tuple[bool, str, int], Error]) -> Row:
        gradient = flow.get((False, event.name, event.call))
        return Row(event.name, self._kind(event.name), event.call, self._error(event), gradient)

    def _kind(self, name: str) -> str:
        return self.kinds.get(name, "")

    def _divergence(
        self, name: str, reason: str, detail: str, found: Error | None = None
    ) -> Divergence:
        error = found or Error(np.inf, np.inf, False)
        return Divergence(name, self._kind(name), reason, detail, error.max_abs, error.max_rel)

    def _weights(self) -> dict[str, str]:
        ours = {**dict(self.model.named_parameters()), **dict(self.model.named_buffers())}
        theirs = (*self.torch_model.named_parameters(), *self.torch_model.named_buffers())
        found = {}
        for name, value in theirs:
            if name not in ours:
                found[name] = "only in torch's model"
                continue
            error = self._of(_of_ours(ours[name]), _of_torch(value))
            if not error.ok:
                found[name] = "values " + _words(error)
        found |= dict.fromkeys(ours.keys() - {name for name, _ in theirs}, "only in ours")
        return found

    def _notes(self) -> list[str]:
        modules = dict(self.model.named_modules())
        notes = []
        for name, module in self.torch_model.named_modules():
            other = modules.get(name)
            if other is not None and other.training != module.training:
                mode = "training" if module.training else "evaluating"
                notes.append(f"note: {name or '(model)'} is {mode} in torch's model only")
            if module.training and type(module).__name__ in _RANDOM and _is_random(module):
                notes.append(f"note: {name or '(model)'} is random in training mode")
        return notes


def _is_random(module: Any) -> bool:
    return getattr(module, "p", 1) > 0


def _of_ours(x: Any) -> Value:
    return Value(np.asarray(x.detach()), x.dtype.name)


def _of_torch(x: Any) -> Value:
    name = str(x.dtype).rpartition(".")[2]
    x = x.detach().cpu()
    return Value((x.float() if name in ("bfloat16", "float16") else x).numpy(), name)


def _words(error: Error) -> str:
    if error.detail:
        return f"has {error.detail}" if error.detail[0].isdigit() else f"differs: {error.detail}"
    return f"differs by {error.max_abs:.2e} (relative {error.max_rel:.2e})"


def _said(error: Exception) -> str:
    return f"ours raised {type(error).__name__}: {error}"
