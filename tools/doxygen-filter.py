#!/usr/bin/python3
"""Our comments as Doxygen wants them: `/* ... */` before a declaration becomes `/** ... */`, one behind
a member `/**< ... */`, and words that it would take for commands are left alone.

    doxygen-filter.py HEADER
"""

import re
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    text = file.read()


def comment(match):
    before, body = match.group(1), match.group(2)
    if body.startswith(" ----"):  # a heading of a part of the file
        return match.group(0)
    body = re.sub(r"([@\\#<>&])", r"\\\1", body)
    mark = "**<" if before.strip() else "**"
    return f"{before}/{mark}{body}*/"


text = re.sub(r"(?m)^([^\n\"]*?)/\*(.*?)\*/", comment, text, flags=re.S)
# The first comment of a file is about the file.
text = re.sub(r"\A/\*\*", "/** @file\n *", text)
sys.stdout.write(text)
