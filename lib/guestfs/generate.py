#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes of the lists in calls/ what repeats them: `generate.py KIND DIRECTORY OUTPUT`.

KIND: records, options, methods, definitions (C++ headers and sources), signatures (the table), python, docs.
"""
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

PARAMETER = {"Int": "std::int64_t", "Bool": "bool", "Strings": "const std::vector<std::string>&",
             "Devices": "const std::vector<std::string>&", "Bytes": "std::string_view"}
MEMBER = {"Int": "std::int64_t", "Bool": "bool", "Strings": "std::vector<std::string>", "Devices": "std::vector<std::string>",
          "Float": "double", "Char": "char"}
RESULT = {"None": "Status", "Bool": "Result<bool>", "Int": "Result<std::int64_t>", "Strings": "Result<std::vector<std::string>>",
          "Hash": "Result<Hash>"}
PYTHON = {"Int": "int", "Bool": "bool", "Strings": "List[str]", "Devices": "List[str]", "Bytes": "Union[bytes, str]", "None": "None",
          "Hash": "Union[Dict[str, str], List[Tuple[str, str]]]", "Float": "float", "Char": "str"}
STATES = {"worker": "yes", "client": "yes", "none": "no"}


@dataclass
class Parameter:
    name: str
    type: str
    optional: bool
    nullable: bool  # an optional one is, too


@dataclass
class Call:
    where: str
    name: str
    parameters: list
    result: str
    text: list = field(default_factory=list)

    def required(self):
        return [each for each in self.parameters if not each.optional]

    def optional(self):
        return [each for each in self.parameters if each.optional]

    def options_type(self):
        return "".join(word.capitalize() for word in self.name.split("_")) + "Options"

    def note(self, mark):
        """The rest of the line that begins with the mark, or ''."""
        text = " ".join(self.text)
        return text.split(mark, 1)[1].strip() if mark in text else ""


def parameters_of(text):
    found = []
    for part in filter(None, text.split(", ")):
        name, kind = part.split(": ")
        optional, nullable = kind.endswith("?"), kind.endswith(("?", "|None"))
        found.append(Parameter(name, kind.rstrip("?").removesuffix("|None"), optional, nullable))
    return found


def read(directory):
    calls, aliases, records = [], [], {}
    lines = [(file.name, number, line) for file in sorted(Path(directory).glob("*.txt"))
             for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)]
    for file, number, line in lines:
        if not line or line.startswith("#"):
            continue
        if line.startswith("    "):
            calls[-1].text.append(line.strip())
        elif match := re.fullmatch(r"(worker|client|none) (\w+)\((.*)\) -> (\w+(?:\[\]|\{\})?)", line):
            calls.append(Call(match[1], match[2], parameters_of(match[3]), match[4]))
            if calls[-1].parameters != calls[-1].required() + calls[-1].optional():
                sys.exit(f"{file}:{number}: parameters that may be left out come last")
        elif match := re.fullmatch(r"alias (\w+) = (\w+)", line):
            aliases.append((match[1], match[2]))
        elif match := re.fullmatch(r"record (\w+)\((.*)\)", line):
            records[match[1]] = parameters_of(match[2])
        else:
            sys.exit(f"{file}:{number}: not understood: {line}")
    return calls, aliases, records


def record_type(result):
    return "".join(word.capitalize() for word in result.rstrip("[]{}").split("_"))


def cxx_result(call):
    if call.result.endswith("{}"):
        return f"Result<{record_type(call.result)}>"
    if call.result.endswith("[]"):
        return f"Result<std::vector<{record_type(call.result)}>>"
    return RESULT.get(call.result, "Result<std::string>")


def cxx_parameter(each):
    if each.nullable:
        return f"const std::optional<{MEMBER.get(each.type, 'std::string')}>&"
    return PARAMETER.get(each.type, "const std::string&")


def cxx_parameters(call, with_default):
    words = [f"{cxx_parameter(each)} {each.name}" for each in call.required()]
    if call.optional():
        words.append(f"const {call.options_type()}& options" + (" = {}" if with_default else ""))
    return ", ".join(words)


def supported(calls):
    return [call for call in calls if call.where != "none"]


def records_hpp(calls, aliases, records):
    yield "// Made by lib/guestfs/generate.py of lib/guestfs/calls."
    for name, members in records.items():
        yield f"struct {record_type(name)} {{"
        for each in members:
            kind = MEMBER.get(each.type, "std::string")
            yield f"    {kind} {each.name}{{}};"
        yield "};"
        yield f"void from_json(const Json& json, {record_type(name)}& record);"


def options_hpp(calls, aliases, records):
    yield "// Made by lib/guestfs/generate.py of lib/guestfs/calls."
    for call in supported(calls):
        if call.optional():
            yield f"/// What may be left out of `{call.name}`."
            yield f"struct {call.options_type()} {{"
            for each in call.optional():
                yield f"    std::optional<{MEMBER.get(each.type, 'std::string')}> {each.name}{{}};"
            yield "};"


def methods_hpp(calls, aliases, records):
    yield "// Made by lib/guestfs/generate.py of lib/guestfs/calls."
    for call in supported(calls):
        for line in call.text:
            yield f"/// {line}"
        yield f"[[nodiscard]] {cxx_result(call)} {call.name}({cxx_parameters(call, True)});"
    by_name = {call.name: call for call in supported(calls)}
    for name, call in ((name, by_name[meant]) for name, meant in aliases if meant in by_name):
        words = [each.name for each in call.required()] + ["options"] * bool(call.optional())
        yield f"/// The same as `{call.name}`."
        yield f"[[nodiscard]] {cxx_result(call)} {name}({cxx_parameters(call, True)}) {{ return {call.name}({', '.join(words)}); }}"


def definitions_cpp(calls, aliases, records):
    yield "// Made by lib/guestfs/generate.py of lib/guestfs/calls."
    yield '#include "guestfs/handle.hpp"'
    yield '#include "guestfs/typed.hpp"'
    yield "namespace slipway::guestfs {"
    for name, members in records.items():
        yield f"void from_json(const Json& json, {record_type(name)}& record) {{"
        for each in members:
            yield f'    take(json, "{each.name}", record.{each.name});'
        yield "}"
    for call in supported(calls):
        yield f"{cxx_result(call)} Handle::{call.name}({cxx_parameters(call, False)}) {{"
        words = [f"argument({each.name})" for each in call.required()]
        words += [f"argument(options.{each.name})" for each in call.optional()]
        yield f'    return typed<{cxx_result(call)}>(call("{call.name}", Json::array({{{", ".join(words)}}})));'
        yield "}"
    yield "} // namespace slipway::guestfs"


def signatures_cpp(calls, aliases, records):
    yield "// Made by lib/guestfs/generate.py of lib/guestfs/calls."
    yield '#include "guestfs/signature.hpp"'
    yield "namespace slipway::guestfs {"
    yield "namespace {"
    for call in calls:
        if call.parameters:
            inner = ", ".join(f'{{"{each.name}", Type::{each.type}, {str(each.nullable).lower()}, {str(each.optional).lower()}}}' for each in call.parameters)
            yield f"constexpr Parameter {call.name}_parameters[] = {{{inner}}};"
    yield "constexpr Signature table[] = {"
    for call in sorted(calls, key=lambda each: each.name):
        parameters = f"{call.name}_parameters" if call.parameters else "{}"
        kind = "Record" if call.result.endswith("{}") else "Records" if call.result.endswith("[]") else call.result
        yield f'    {{"{call.name}", Where::{call.where.capitalize()}, {parameters}, Type::{kind}}},'
    yield "};"
    yield "constexpr Alias alias_table[] = {"
    for name, meant in sorted(aliases):
        yield f'    {{"{name}", "{meant}"}},'
    yield "};"
    yield "} // namespace"
    yield "std::span<const Signature> signatures() { return table; }"
    yield "std::span<const Alias> aliases() { return alias_table; }"
    yield "} // namespace slipway::guestfs"


def python_type(kind, result):
    if kind.endswith("{}"):
        return "Dict[str, Any]"
    if kind.endswith("[]"):
        return "List[Dict[str, Any]]"
    if result and kind == "Bytes":
        return "bytes"
    return PYTHON.get(kind, "str")


def python_parameter(each):
    kind = "Union[bool, int]" if each.type == "Bool" else python_type(each.type, False)
    return f"Optional[{kind}]" if each.nullable else kind


def python_module(calls, aliases, records):
    yield "# Made by lib/guestfs/generate.py of lib/guestfs/calls."
    yield '"""The calls of a handle, one method each."""'
    yield "from typing import Any, Dict, List, Optional, Tuple, Union"
    yield ""
    yield ""
    yield "class Calls:"
    yield '    """Methods with the names, arguments and defaults of libguestfs."""'
    yield ""
    yield "    def _call(self, name: str, arguments: tuple) -> Any:"
    yield "        raise NotImplementedError"
    for call in supported(calls):
        words = ["self"] + [f"{each.name}: {python_parameter(each)}" for each in call.required()]
        words += [f"{each.name}: {python_parameter(each)} = None" for each in call.optional()]
        yield ""
        yield f"    def {call.name}({', '.join(words)}) -> {python_type(call.result, True)}:"
        lines = [line.replace("\\", "\\\\") for line in call.text] or [call.name + "."]
        yield f'        """{lines[0]}' + ('"""' if len(lines) == 1 else "")
        for line in lines[1:]:
            yield f"        {line}"
        if len(lines) > 1:
            yield '        """'
        names = "".join(f"{each.name}, " for each in call.parameters)
        yield f'        return self._call("{call.name}", ({names.rstrip() if names else ""}))'
    names = {call.name for call in supported(calls)}
    yield ""
    for name, meant in sorted(aliases):
        if meant in names:
            yield f"    {name} = {meant}"


def docs(calls, aliases, records):
    own = [call for call in supported(calls) if call.note("Own:")]
    theirs = [call for call in calls if not call.note("Own:")]
    partly = [call for call in supported(theirs) if call.note("Partly:")]
    yield "# Calls of libguestfs"
    yield ""
    yield "Made by lib/guestfs/generate.py of lib/guestfs/calls; the calls are those of libguestfs 1.48."
    yield ""
    yield (f"Supported: {len(supported(theirs)) - len(partly)} of {len(theirs)}; partly: {len(partly)}; aliases, which are not "
           f"counted: {len(aliases)}; Slipway's own: {len(own)}.")
    yield ""
    yield "| call | supported | |"
    yield "|---|---|---|"
    for call in sorted(theirs, key=lambda each: each.name):
        missing = call.note("Partly:") if call.where != "none" else call.note("Not:")
        state = "partly" if call.where != "none" and missing else STATES[call.where]
        yield f"| `{call.name}` | {state} | {missing} |"
    if own:
        yield ""
        yield "Slipway's own:"
        yield ""
        yield "| call | does |"
        yield "|---|---|"
        for call in sorted(own, key=lambda each: each.name):
            yield f"| `{call.name}` | {' '.join(call.text).replace('Own: ', '')} |"
    yield ""
    yield "Aliases: " + ", ".join(f"`{name}` is `{meant}`" for name, meant in sorted(aliases)) + "."


KINDS = {"records": records_hpp, "options": options_hpp, "methods": methods_hpp, "definitions": definitions_cpp,
         "signatures": signatures_cpp, "python": python_module, "docs": docs}


def main():
    if len(sys.argv) != 4 or sys.argv[1] not in KINDS:
        sys.exit(__doc__)
    text = "\n".join(KINDS[sys.argv[1]](*read(sys.argv[2]))) + "\n"
    if sys.argv[3] == "-":
        sys.stdout.write(text)
        return
    output = Path(sys.argv[3])
    output.parent.mkdir(parents=True, exist_ok=True)
    if not output.exists() or output.read_text(encoding="utf-8") != text:
        output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
