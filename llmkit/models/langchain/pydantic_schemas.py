"""JSON schemas of pydantic's types that say what pydantic accepts, where its own schemas leave it out."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaWarningKind

from llmkit.models.constraints.string_formats import INTEGER, NUMBER

_MOST_NAMES = 32  # of whole numbers as keys that are listed
_MOST_SECONDS = datetime.timedelta.max.days * 86400  # of a duration in Python
_ONE_DAY = datetime.timedelta(days=1)

Schema = dict[str, Any]


class ParsableJsonSchema(GenerateJsonSchema):
    """Generates JSON schemas whose values pydantic accepts.

    Pydantic's own say nothing about keys of a `dict` that are numbers, schemes of URLs, digits of `Decimal`, or bounds
    of dates and durations.
    """

    # A default that is no JSON, such as that of a factory, is left out of the schema; no warning is needed.
    ignored_warning_kinds: set[JsonSchemaWarningKind] = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012

    def dict_schema(self, schema: Any) -> Schema:
        """Add the names that keys may have."""
        made = super().dict_schema(schema)
        keys = schema.get("keys_schema")
        if "patternProperties" in made:  # no grammar has names with a pattern and a length; pydantic checks the length
            return {key: item for key, item in made.items() if key != "propertyNames"}
        if keys is None or "propertyNames" in made:
            return made
        names = _names_of(self.resolve_ref_schema(self.generate_inner(keys)))
        return {**made, "propertyNames": names} if names else made

    def decimal_schema(self, schema: Any) -> Schema:
        """Write digits as bounds and `multipleOf`, and numbers in strings as a pattern."""
        limits = {key: schema.get(key) for key in ("ge", "le", "gt", "lt", "multiple_of", "max_digits")}
        places = schema.get("decimal_places")
        [number, *_] = super().decimal_schema(schema)["anyOf"]
        if all(value is None for value in (*limits.values(), places)):
            return {"anyOf": [number, {"type": "string", "pattern": f"^{NUMBER}$"}]}
        digits = limits["max_digits"]
        if places is None and digits is not None:
            if all(limits[key] is None for key in limits if key != "max_digits"):
                return {"type": "string", "pattern": _digits_pattern(digits)}
            places = 0
        if places is not None:
            number.setdefault("multipleOf", float(Decimal(1).scaleb(-places)) if places else 1)
        if places is not None and digits is not None:
            _add_bounds(number, float(Decimal(10) ** (digits - places) - Decimal(1).scaleb(-places)))
        return dict(number)

    def url_schema(self, schema: Any) -> Schema:
        """Add the schemes that are allowed."""
        return _with_schemes(super().url_schema(schema), schema)

    def multi_host_url_schema(self, schema: Any) -> Schema:
        """Add the schemes that are allowed."""
        return _with_schemes(super().multi_host_url_schema(schema), schema)

    def date_schema(self, schema: Any) -> Schema:
        """Add the bounds."""
        return {**super().date_schema(schema), **_date_bounds(schema, is_exact=True)}

    def datetime_schema(self, schema: Any) -> Schema:
        """Add the bounds, in days, and whether there is a time zone."""
        local = {"format": "date-time-local"} if schema.get("tz_constraint") == "naive" else {}
        return {**super().datetime_schema(schema), **local, **_date_bounds(schema, is_exact=False)}

    def time_schema(self, schema: Any) -> Schema:
        """Add whether there is a time zone."""
        local = {"format": "time-local"} if schema.get("tz_constraint") == "naive" else {}
        return {**super().time_schema(schema), **local}

    def timedelta_schema(self, schema: Any) -> Schema:
        """Write a duration with bounds as a number of seconds, which pydantic reads too."""
        names = {"ge": "minimum", "le": "maximum", "gt": "exclusiveMinimum", "lt": "exclusiveMaximum"}
        bounds = {names[key]: schema[key].total_seconds() for key in names if schema.get(key) is not None}
        if not bounds:
            return super().timedelta_schema(schema)
        if "maximum" not in bounds and "exclusiveMaximum" not in bounds:
            bounds["maximum"] = _MOST_SECONDS
        return {"type": "number", "description": "seconds", **bounds}

    def complex_schema(self, schema: Any) -> Schema:
        """Write a complex number as Python does."""
        return {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?[-+][0-9]+(\.[0-9]+)?j$"}


def _names_of(key: Mapping[str, Any]) -> Schema | None:
    """Return the schema of names for keys with this schema, which are strings in JSON; `None` if any name will do."""
    values = [key["const"]] if "const" in key else key.get("enum")
    if values is not None:
        return {"enum": [value if isinstance(value, str) else str(value).lower() for value in values]}
    if "anyOf" in key:
        found = [_names_of(option) for option in key["anyOf"]]
        return next((one for one in found if one and "pattern" in one), None) if all(found) else None
    match key.get("type"):
        case "boolean":
            return {"enum": ["true", "false"]}
        case "integer":
            return _integer_names(key)
        case "number":
            least = key.get("minimum", key.get("exclusiveMinimum", -1))
            return {"pattern": f"^{NUMBER if least < 0 else NUMBER.removeprefix('-?')}$"}
        case "string" if "pattern" in key:
            return {"pattern": key["pattern"]}
    return None


def _integer_names(key: Mapping[str, Any]) -> Schema:
    least = key.get("minimum", key["exclusiveMinimum"] + 1 if "exclusiveMinimum" in key else None)
    most = key.get("maximum", key["exclusiveMaximum"] - 1 if "exclusiveMaximum" in key else None)
    if least is not None and most is not None and most - least < _MOST_NAMES:
        return {"enum": [str(number) for number in range(least, most + 1)]}
    if least is not None and least >= 0:
        return {"pattern": "^[1-9][0-9]*$" if least else f"^{INTEGER.removeprefix('-?')}$"}
    return {"pattern": "^-[1-9][0-9]*$" if most is not None and most < 0 else f"^{INTEGER}$"}


def _digits_pattern(digits: int) -> str:
    """Return a pattern for numbers with so many digits, before and behind the point, at most."""
    parts = [f"[0-9]{{1,{digits}}}"]
    parts += [rf"[0-9]{{1,{digits - places}}}\.[0-9]{{{places}}}" for places in range(1, digits)]
    return f"^-?({'|'.join(parts)})$"


def _add_bounds(number: Schema, most: float) -> None:
    for name, exclusive, bound in (("minimum", "exclusiveMinimum", -most), ("maximum", "exclusiveMaximum", most)):
        given = number.get(name, number.get(exclusive))
        if given is None or abs(given) > abs(bound):
            number.pop(exclusive, None)
            number[name] = bound


def _with_schemes(made: Schema, schema: Mapping[str, Any]) -> Schema:
    schemes: Iterable[str] = schema.get("allowed_schemes") or ()
    names = "|".join(sorted(schemes)).replace("http|https", "https?").replace("+", r"\+")
    if not names:
        return made
    host = "/" if names == "file" else "[A-Za-z0-9]"
    return {**made, "pattern": f"^{f'({names})' if '|' in names else names}://{host}"}


def _date_bounds(schema: Mapping[str, Any], *, is_exact: bool) -> Schema:
    """Return the first and the last day; for times, which may be in any time zone, a day more."""
    margin, step = (datetime.timedelta(0), _ONE_DAY) if is_exact else (_ONE_DAY, datetime.timedelta(0))
    today = datetime.datetime.now(datetime.UTC).date()
    least = [
        schema.get("ge"),
        _moved(schema.get("gt"), step),
        today + step if schema.get("now_op") == "future" else None,
    ]
    most = [schema.get("le"), _moved(schema.get("lt"), -step), today - step if schema.get("now_op") == "past" else None]
    first = [_moved(_day(bound), -margin) for bound in least if bound is not None]
    last = [_moved(_day(bound), margin) for bound in most if bound is not None]
    bounds = {}
    if first:
        bounds["formatMinimum"] = max(first).isoformat()
    if last:
        bounds["formatMaximum"] = min(last).isoformat()
    return bounds


def _day(bound: Any) -> datetime.date:
    return bound.date() if isinstance(bound, datetime.datetime) else bound


def _moved(bound: Any, by: datetime.timedelta) -> Any:
    try:
        return None if bound is None else bound + by
    except OverflowError:
        return bound
