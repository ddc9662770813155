"""The hub's rules: spellings of generations, parameters of a deploy option, launch templates, manifests."""

import re
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from string import Formatter
from typing import Any, cast

from studio.errors import Invalid, invalid_field

RDUS_PARAM = "model_parallel_rdus"
MOST_RDUS = 64
TEMPLATE_FIELDS = frozenset({"path", "gguf", "host", "port", "name", "rdus", "devices", "parallel", "python"})
_WIDTH = re.compile(r"(?P<code>.+)-(?P<width>8|16|32|64)$")

Parameter = str | int | float | bool


def read_arch(value: str, known: Iterable[str]) -> tuple[str, int]:
    """(generation code, least node width) of an `--arch` in any spelling: sn40l, SN40L-16. Width 0: any."""
    wanted = value.strip().upper()
    codes = {code.upper(): code for code in known}
    if wanted in codes:
        return codes[wanted], 0
    match = _WIDTH.match(wanted)
    if match and match["code"] in codes:
        return codes[match["code"]], int(match["width"])
    names = ", ".join(sorted(codes.values())) or "none"
    raise invalid_field("rdu_arch", f"There is no RDU generation {value.strip()!r}; there are: {names}.")


def clean_parameters(given: Mapping[str, Any], allowed: Iterable[Mapping[str, Any]]) -> dict[str, Parameter]:
    """The parameters of a deploy option with defaults filled in and types read from any spelling.

    Raises `Invalid` at `hyperparams.<name>` for unknown names and values out of range.
    """
    fields = {str(field["name"]): field for field in allowed}
    unknown = sorted(set(given) - set(fields))
    if unknown:
        names = ", ".join(sorted(fields)) or "none"
        raise invalid_field(
            f"hyperparams.{unknown[0]}", f"There is no parameter {unknown[0]!r}; there are: {names}."
        )
    return {name: _given_or_default(name, given, field) for name, field in fields.items()}


def _given_or_default(name: str, given: Mapping[str, Any], field: Mapping[str, Any]) -> Parameter:
    value = given.get(name)
    if value is None or not str(value).strip():
        return cast(Parameter, field.get("default", ""))
    return _read(name, value, field)


def _read(name: str, value: Any, field: Mapping[str, Any]) -> Parameter:
    where = f"hyperparams.{name}"
    label = field.get("label", name)
    if not field.get("user_modifiable", True) and value != field.get("default"):
        raise invalid_field(where, f"{label} is fixed at {field.get('default')} for this model.")
    if field.get("type") not in ("int", "float"):
        return str(value)
    try:
        number = int(str(value)) if field["type"] == "int" else float(str(value))
    except ValueError:
        raise invalid_field(where, f"{label} must be a number, not {value!r}.") from None
    low, high = field.get("min"), field.get("max")
    if (low is not None and number < low) or (high is not None and number > high):
        raise invalid_field(where, f"{label} must be from {low} to {high}, not {number}.")
    return number


def rdus_of(parameters: Mapping[str, Any], default: int) -> int:
    """RDUs one instance takes, all in a single node."""
    return int(parameters.get(RDUS_PARAM) or default)


def check_template(argv: object, parallel: int) -> None:
    """Raises `Invalid` for a launch template that is no list or names a field nobody fills, as {parallel} at 0."""
    if not isinstance(argv, list) or not argv or not all(isinstance(item, str) for item in argv):
        raise invalid_field(
            "argv", 'A launch template is a list of arguments, e.g. ["server", "--port", "{port}"].'
        )
    fields = TEMPLATE_FIELDS if parallel else TEMPLATE_FIELDS - {"parallel"}
    for item in argv:
        for _, name, spec, conversion in Formatter().parse(item):
            if name is not None and (name not in fields or spec or conversion):
                allowed = ", ".join(sorted(fields))
                raise invalid_field("argv", f"{{{name}}} is not a field; there are: {allowed}.")


def check_manifest(manifest: object) -> None:
    """Raises `Invalid` unless every entry is {path, size, sha256} and stays inside its folder."""
    if not isinstance(manifest, list) or not manifest:
        raise Invalid("The manifest lists no files.", {"manifest": "no files"})
    for entry in manifest:
        path = PurePosixPath(str(entry.get("path", "")) if isinstance(entry, dict) else "")
        if path.is_absolute() or ".." in path.parts or not path.parts:
            raise Invalid(f"The manifest names a file outside its folder: {path}", {"manifest": "bad path"})
        if path.suffix in {".pkl", ".pickle", ".pt", ".bin"}:
            raise Invalid(
                f"{path} may hold code; only safetensors and GGUF are accepted.", {"manifest": "pickle"}
            )
        if not re.fullmatch(r"[0-9a-f]{64}", str(entry.get("sha256", ""))) or int(entry.get("size", -1)) < 0:
            raise Invalid(f"The manifest has no size or sha256 for {path}.", {"manifest": "incomplete"})
