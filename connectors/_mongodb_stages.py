"""The stages of a MongoDB aggregation that may be used, and what stands in each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from connectors._mongodb_guard import Bind, Guard, an_object, check_depth, not_listed
from connectors._mongodb_regex import refusal

_MAX_STAGES = 100
Walk = Callable[[Any, str], Any]


class PipelineGuard(Guard):
    """A guard that also knows pipelines, however deep they are nested."""

    def __init__(self, bind: Bind | None) -> None:
        super().__init__(bind)
        self._stage_count = 0
        self._stages: dict[str, Walk] = {
            "$match": self.query,
            "$project": self.expressions,
            "$addFields": self.expressions,
            "$set": self.expressions,
            "$unset": self.plain,
            "$group": self.expressions,
            "$sort": self.sort,
            "$limit": self.count,
            "$skip": self.count,
            "$unwind": self.plain,
            "$replaceRoot": self.expressions,
            "$replaceWith": self.expression,
            "$sample": self._sample,
            "$count": self.plain,
            "$sortByCount": self.expression,
            "$bucket": self.expressions,
            "$bucketAuto": self.expressions,
            "$redact": self.expression,
            "$facet": self._facet,
            "$lookup": self._lookup,
            "$graphLookup": self._graph_lookup,
            "$unionWith": self._union,
            "$setWindowFields": self._windows,
            "$densify": self.plain,
            "$fill": self._windows,
        }

    def collection(self, name: Any, place: str) -> str:
        if not isinstance(name, str) or not 0 < len(name) <= 255:
            raise refusal(f"{place} must be the name of a collection of this database")
        if name.startswith("system.") or "$" in name or "\0" in name:
            raise refusal(f"{place} is a system collection")
        return name

    def pipeline(self, stages: Any, place: str) -> list[Any]:
        if not isinstance(stages, list):
            raise refusal(f"{place} must be a list of stages")
        return [self._stage(stage, f"{place}.{position}") for position, stage in enumerate(stages)]

    def _stage(self, stage: Any, place: str) -> dict[str, Any]:
        check_depth(place)
        self._stage_count += 1
        if self._stage_count > _MAX_STAGES:
            raise refusal(f"it has more than {_MAX_STAGES} stages")
        if not isinstance(stage, dict) or len(stage) != 1:
            raise refusal(f"{place} must be an object with one stage")
        name, value = next(iter(stage.items()))
        if name not in self._stages:
            raise not_listed(f"{place}.{name}")
        return {name: self._stages[name](value, f"{place}.{name}")}

    def _sample(self, part: Any, place: str) -> Any:
        if not isinstance(part, dict) or list(part) != ["size"]:
            raise refusal(f"{place} must be an object with size")
        return {"size": self.count(part["size"], f"{place}.size")}

    def _facet(self, part: Any, place: str) -> Any:
        return {name: self.pipeline(value, f"{place}.{name}") for name, value in an_object(part, place).items()}

    def _lookup(self, part: Any, place: str) -> Any:
        return self._joined(part, place, "from", {"let": self.expressions, "pipeline": self.pipeline})

    def _graph_lookup(self, part: Any, place: str) -> Any:
        return self._joined(part, place, "from", {"startWith": self.expression, "restrictSearchWithMatch": self.query})

    def _union(self, part: Any, place: str) -> Any:
        if isinstance(part, str):
            return self.collection(part, place)
        return self._joined(part, place, "coll", {"pipeline": self.pipeline})

    def _windows(self, part: Any, place: str) -> Any:
        return self._each(
            part, place, {"partitionBy": self.expression, "sortBy": self.sort, "output": self.expressions}
        )

    def _joined(self, part: Any, place: str, source: str, walks: dict[str, Walk]) -> Any:
        if source not in an_object(part, place):
            raise refusal(f"{place} must name a collection in {source}")
        return self._each(part, place, {source: self.collection, **walks})

    def _each(self, part: Any, place: str, walks: dict[str, Walk]) -> dict[str, Any]:
        return {
            key: walks.get(key, self.plain)(value, f"{place}.{key}") for key, value in an_object(part, place).items()
        }
