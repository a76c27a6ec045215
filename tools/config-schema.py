#!/usr/bin/python3
"""The JSON schema of a command's configuration file, made of what `nrt COMMAND --help` says: of the same tables that the
file is read by. Editors complete and check by it. Called by meson: config-schema.py NRT COMMAND
"""

import json
import os
import re
import subprocess
import sys

NOT_IN_FILES = ("config", "check", "help")
DURATION = r"^([0-9]+(\.[0-9]+)?(ms|s|sec|m|min|h))+$"
SIZE = r"^[0-9]+([kKMG](i?B)?)?$"


def blocks(text):
    """Headings of the help, each with its entries: name, value, help."""
    found, title = {}, None
    for line in text.splitlines():
        heading = re.fullmatch(r'(\S.*):', line)
        option = re.match(r"  (?:-\w, |    )(?:--)?([a-z][a-z-]+)(?: (\S+))?(?:  +(\S.*))?$", line)
        if heading:
            title = heading[1]
            found[title] = []
        elif option and title:
            found[title].append([option[1], option[2], option[3] or ""])
        elif title and found[title] and line.startswith(" " * 28):
            found[title][-1][2] = f"{found[title][-1][2]} {line.strip()}".strip()
    return found


def plain(value):
    """What a value of an option is in JSON; None and true|false: a flag."""
    if value in (None, "true|false"):
        return {"type": "boolean"}
    if value == "N":
        return {"type": "integer", "minimum": 0}
    if value == "DURATION":
        return {"type": "string", "pattern": DURATION}
    if value == "SIZE":
        return {"anyOf": [{"type": "string", "pattern": SIZE}, {"type": "integer", "minimum": 0}]}
    if re.fullmatch(r"[a-z-]+(\|[a-z-]+)+", value):
        return {"enum": value.split("|")}
    if re.fullmatch(r"[a-z-]+(,[a-z-]+)+", value):
        words = {"enum": value.split(",")}
        return {"anyOf": [{"type": "array", "items": words}, {"type": "string"}]}
    return {"type": "string"}


def schema(command, text):
    found = blocks(text)
    objects = {}
    for title in list(found):
        key = re.match(r'Keys of "([a-z-]+)"', title)
        if key:
            objects[key[1]] = {
                "type": "object",
                "additionalProperties": False,
                "properties": {name: {**plain(value), "description": about}
                               for name, value, about in found.pop(title)},
            }
    properties = {"$schema": {"type": "string"}}
    for title, entries in found.items():
        for name, value, about in entries:
            if name in NOT_IN_FILES or title == "Examples":
                continue
            one = plain(value)
            if "may be repeated" in about:
                item = {"anyOf": [one, objects[name]]} if name in objects else one
                one = {"anyOf": [item, {"type": "array", "items": item}]}
            properties[name] = {**one, "description": about}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": f"Configuration of nrt {command}",
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
    }


def main():
    nrt, command = sys.argv[1:]
    text = subprocess.run([nrt, command, "--help"], capture_output=True, text=True, check=True,
                          env={**os.environ, "COLUMNS": "80"}).stdout
    print(json.dumps(schema(command, text), indent=2))


if __name__ == "__main__":
    main()
