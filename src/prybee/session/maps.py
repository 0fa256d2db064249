"""The script's maps as a session prints and changes them."""

from __future__ import annotations

import gc

from prybee.plan import layouts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.plan.plan import Plan, ScriptMap
    from prybee.session.ports import Engine, Items

# Of these there is nothing to show before something was put in.
_HISTOGRAMS = (layouts.HistLayout, layouts.LhistLayout, layouts.TseriesLayout)


class Calm:
    """Keeps the garbage collector from looking, over and over, through the hundred thousands of
    objects that a large map is made of; there are no cycles among them."""

    def __enter__(self) -> None:
        self._was = gc.isenabled()
        gc.disable()

    def __exit__(self, *_: object) -> None:
        if self._was:
            gc.enable()


class Maps:
    """Reads, clears and zeroes maps by their names in the script."""

    def __init__(self, plan: Plan, engine: Engine) -> None:
        self.engine = engine
        self.calm = Calm()
        self.specs = {spec.name: spec for spec in plan.script_maps}
        # Scalar maps that were zeroed: they count as written, though all is zero.
        self._zeroed: set[str] = set()

    def items(self, name: str) -> tuple[ScriptMap, Items]:
        """A map as ``print(@x)`` shows it: a scalar that was never written has its zero value,
        except that of a histogram there is nothing."""
        spec = self.specs[name]
        found = self._written(spec)
        if found or spec.key is not None or isinstance(spec.value, _HISTOGRAMS):
            return spec, found
        return spec, [(b"", _zero(spec))]

    def written(self) -> list[tuple[ScriptMap, Items]]:
        """The maps that have something in them, in the order of their names."""
        found = [(self.specs[name], self._written(self.specs[name])) for name in sorted(self.specs)]
        return [(spec, items) for spec, items in found if items]

    def entry(self, name: str, key: bytes) -> tuple[ScriptMap, Items]:
        """One entry of a map; zero where there is none."""
        spec = self.specs[name]
        value = self.engine.map_value(spec, key)
        return spec, [(key, _zero(spec) if value is None else value)]

    def clear(self, name: str) -> None:
        """Remove all entries."""
        self._zeroed.discard(name)
        self.engine.map_clear(self.specs[name])

    def zero(self, name: str) -> None:
        """Set all values to zero."""
        spec = self.specs[name]
        if spec.key is None and self._written(spec):
            self._zeroed.add(name)
        self.engine.map_zero(spec)

    def _written(self, spec: ScriptMap) -> Items:
        """The entries of a map; none of a scalar that was never written."""
        engine = self.engine
        if spec.storage != "global":
            return engine.map_items(spec)
        if spec.name in self._zeroed:
            items = engine.map_items(spec)
            return items or [(bytes(8), _zero(spec))]
        if spec.written >= 0:
            return engine.map_items(spec) if engine.map_written(spec) else []
        # Values that are never all zero once written: counts, or flags beside the value.
        items = engine.map_items(spec)
        return [item for item in items if any(any(value) for value in item[1])]  # type: ignore


def _zero(spec: ScriptMap) -> bytes | list[bytes]:
    """The value of nothing."""
    size = max(8, spec.value.size) if spec.per_cpu else spec.value.size
    return [bytes(size)] if spec.per_cpu else bytes(size)
