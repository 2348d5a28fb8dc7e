#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Checks JSON against the schemas of docs/schemas: schema_check.py SCHEMA.json < INSTANCE.json

Knows the keywords that these schemas use, and refuses a schema with any other.
"""
import json
import sys
from pathlib import Path

SCHEMAS = Path(__file__).resolve().parents[2] / "docs" / "schemas"
ANNOTATIONS = {"$schema", "$id", "$defs", "title", "description"}
KEYWORDS = {"type", "properties", "required", "additionalProperties", "items", "enum", "const", "anyOf", "$ref"}
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None),
         "number": (int, float), "integer": int}


def load(name):
    """The schema "report.v1" or "inspect.v1"."""
    return json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8"))


def check(instance, schema):
    """What is wrong with the instance, a line each; empty: nothing."""
    return _check(instance, schema, schema, "$")


def _is(value, name):
    # JSON's true is no number, though Python's is.
    if isinstance(value, bool) and name in ("number", "integer"):
        return False
    return isinstance(value, TYPES[name])


def _resolve(root, reference):
    prefix = "#/$defs/"
    if not reference.startswith(prefix):
        raise ValueError(f"schema: {reference} is not in #/$defs/")
    return root["$defs"][reference[len(prefix):]]


def _equal(a, b):
    return type(a) is type(b) and a == b


def _check(value, schema, root, where):
    unknown = set(schema) - KEYWORDS - ANNOTATIONS
    if unknown:
        raise ValueError(f"schema: unknown keywords {sorted(unknown)}")
    errors = []
    if "$ref" in schema:
        errors += _check(value, _resolve(root, schema["$ref"]), root, where)
    if "type" in schema:
        names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        if not any(_is(value, name) for name in names):
            return errors + [f"{where}: {json.dumps(value)[:60]} is not of type {' or '.join(names)}"]
    if "const" in schema and not _equal(value, schema["const"]):
        errors.append(f"{where}: {json.dumps(value)[:60]} is not {json.dumps(schema['const'])}")
    if "enum" in schema and not any(_equal(value, known) for known in schema["enum"]):
        errors.append(f"{where}: {json.dumps(value)[:60]} is none of {json.dumps(schema['enum'])}")
    if "anyOf" in schema:
        errors += _any_of(value, schema["anyOf"], root, where)
    if isinstance(value, dict):
        errors += _members(value, schema, root, where)
    if isinstance(value, list) and "items" in schema:
        for number, item in enumerate(value):
            errors += _check(item, schema["items"], root, f"{where}[{number}]")
    return errors


def _any_of(value, choices, root, where):
    results = [_check(value, choice, root, where) for choice in choices]
    if not all(results):
        return []
    # The choice that comes nearest explains best.
    return [f"{where}: fits no choice of anyOf"] + min(results, key=len)


def _members(value, schema, root, where):
    errors = [f"{where}: {name} is missing" for name in schema.get("required", []) if name not in value]
    properties = schema.get("properties", {})
    others = schema.get("additionalProperties", True)
    for name, member in value.items():
        if name in properties:
            errors += _check(member, properties[name], root, f"{where}.{name}")
        elif others is False:
            errors.append(f"{where}: {name} is not known")
        elif isinstance(others, dict):
            errors += _check(member, others, root, f"{where}.{name}")
    return errors


if __name__ == "__main__":
    problems = check(json.load(sys.stdin), json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    print("\n".join(problems) or "valid")
    sys.exit(1 if problems else 0)
