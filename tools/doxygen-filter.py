#!/usr/bin/python3
"""Our comments as Doxygen wants them, so that it finds what is wrong in them.

    doxygen-filter.py FILE

A header's comments are plain text with `code`, lists and indented examples. Here `/* ... */` before
a declaration becomes `/** ... */`, one behind a member `/**< ... */`. What they say is checked:

- Every nrt_name and NRT_NAME becomes a reference, which Doxygen refuses where there is none.
- A single word in backquotes, or behind an asterisk (*error), must be a parameter or a member.
- A comment that ends in a colon is about all that follows it without an empty line; any other is
  about one declaration, and Doxygen misses those of the rest. Constants of an enum are counted here.

In Markdown, names in backquotes become references. Files keep their number of lines.
"""

import glob
import os
import re
import sys

WORD = r"[A-Za-z_]\w*"
# In this order: what is quoted, what a name of ours is, what Doxygen would take for its own.
TEXT = re.compile(
    r"(?P<code>`[^`\n]*(?:\n[^`\n]*)?`)"
    r"|(?<![\w*/$.<-])\*(?P<out>[a-z_]+)\b"
    r"|(?<![\w/.-])(?P<name>(?:nrt|NRT)_\w+)(?:\.(?P<member>[a-z_]+)\b)?(?![\w*/])"
    r"|(?<!\S)(?P<command>[@\\][a-z]+)"
    r"|(?P<special>[@\\#<>&%])")
# Of C: comments and strings, so that no one is taken for the other.
PIECES = re.compile(r'(/\*.*?\*/|"(?:\\.|[^"\\\n])*")', re.S)


def members_of(code):
    """The names of all members of all structs in there."""
    names = set()
    for body in re.findall(r"\bstruct\s*\w*\s*\{([^{}]*)\}", code):
        for declaration in body.split(";"):
            name = re.search(rf"\(\*({WORD})\)\s*\(", declaration) or re.search(
                rf"({WORD})\s*(?:\[[^\]]*\])?\s*$", declaration)
            if name:
                names.add(name.group(1))
    return names


def without_comments(text):
    return PIECES.sub(lambda piece: " " if piece.group().startswith("/*") else '""', text)


def reference(name, member):
    if member:
        return f'\\ref {name}::{member} "{name}.{member}"'
    return f'\\ref {name} "{name}"'  # the text in quotes ends the name where a colon follows


def checked(word, known):
    """A word that must be one of those known: where it is not, a reference that leads nowhere."""
    return f"`{word}`" if word.lstrip("*") in known else f"\\ref {word.lstrip('*')}"


def replaced(match, known):
    if match["code"]:
        code = match["code"].strip("`")
        name = re.fullmatch(r"((?:nrt|NRT)_\w+?)(?:\.([a-z_]+))?", code)
        if name:
            return reference(*name.groups())
        parts = re.fullmatch(r"([a-z_]+)(?:(?:\.|->)([a-z_]+))?", code)
        if parts and known is not None:
            wrong = [part for part in parts.groups() if part and part not in known]
            return f"`{code}`" if not wrong else checked(wrong[0], known)
        return match["code"]
    if match["out"]:
        return match.group() if known is None else checked(match.group(), known)
    if match["name"]:
        return reference(match["name"], match["member"])
    if match["command"]:
        return match.group()
    return "\\" + match.group()


def marked_up(body, known):
    """The body of a comment, but for indented examples."""
    out = []
    for part in re.split(r"((?:^ \* {5,}[^\n]*\n)+)", body, flags=re.M):
        example = re.match(r" \* {5,}", part)
        out.append(part if example else TEXT.sub(lambda match: replaced(match, known), part))
    return "".join(out)


def follow(code, seen, stack):
    """Follows braces: `body` is that of a function, where comments are nobody's business."""
    for char in re.split(r"([{}])", code):
        if char == "}":
            stack.pop()
        elif char == "{":
            kind = re.search(r"\b(struct|union|enum|extern)\b[^;{}()]*$", seen[0])
            stack.append(kind.group(1) if kind else "body")
        seen[0] = seen[0][-200:] + char


def share(code, comment):
    """Puts the comment before each declaration that follows the first one without an empty line."""
    block = re.match(r".*?(?=\n[ \t]*\n|\n}|\Z)", code, re.S).group()
    line = re.sub(r"\s*\n \*\s*", " ", comment)
    parts = re.split(r"(;[ \t]*\n)(?=[^\n])", block)
    for at in range(2, len(parts), 2):
        if parts[at].strip():
            parts[at] = line + parts[at]
    return "".join(parts) + code[len(block):]


def own_names(pieces, at):
    """What a comment's declaration is about: the names in it, those of a struct to its end."""
    text = "".join(without_comments(piece) for piece in pieces[at + 1:])
    begin = text.lstrip()
    end = re.search(r"\n\s*\}[^;]*;", begin) if re.match(
        r"(typedef )?(struct|enum)\b[^;]*\{", begin) else re.search(r"\n[ \t]*\n|\)\s*\{|\n\}", begin)
    return set(re.findall(WORD, begin[:end.start()] if end else begin))


def constants_counted(text):
    """An enum's constant without a comment gets one that leads nowhere, which Doxygen does not miss."""
    def enum(match):
        return re.sub(r"(?m)(?<=[{,\s])((?:NRT)_\w+)( = [^,\n]+)?(,| })(?!\s*/\*)",
                      r"\1\2 /**< \\ref \1_has_no_comment */\3", match.group())
    return re.sub(r"\benum\s*\w*\s*\{[^}]*\}", enum, text)


def errors_listed(text):
    """The table of errors as constants, each with its sentence, code and status."""
    row = re.compile(r'X\((\w+), (-\d+), "([^"]*)", (\d+),[\s\\]*"([^"]*)"\)')
    rows = "".join(f'NRT_ERR_{name} = {number}, /**< {sentence}. On the wire `{code}`, HTTP status {status}. */ '
                   for name, number, code, status, sentence in row.findall(text))
    return re.sub(r"(NRT_OK = 0,)(.*?)\n#define NRT__ERROR_ENUM.*?\n.*?\n#undef NRT__ERROR_ENUM\n",
                  lambda match: f"{match[1]}{match[2]}\n{rows}\n\n\n", text, flags=re.S)


def header(path, text):
    folder = os.path.dirname(path)
    known = set()
    for name in glob.glob(os.path.join(folder, "*.h")):
        with open(name, encoding="utf-8") as file:
            known |= members_of(without_comments(file.read()))
    pieces = PIECES.split(constants_counted(text))
    seen, stack = [""], []
    for at, piece in enumerate(pieces):
        if piece.startswith('"'):
            continue
        if not piece.startswith("/*"):
            follow(piece, seen, stack)
            continue
        body = piece[2:-2]
        if body.startswith((" ----", "*<")) or "body" in stack:
            continue
        before = pieces[at - 1].rpartition("\n")[2] if at else ""
        trailing = bool(before.strip())
        owner = own_names(pieces, at - 2 if trailing else at)
        comment = f"/**{'<' if trailing else ''}{marked_up(body, known | owner)}*/"
        pieces[at] = comment
        if body.rstrip(" *\n").endswith(":") and not trailing:
            pieces[at + 1] = share(pieces[at + 1], comment)
    # The first comment of a file is about the file.
    return errors_listed(re.sub(r"\A/\*\*", "/** @file\n *", "".join(pieces)))


def markdown(text):
    """References for names in backquotes, outside of blocks of code."""
    parts = re.split(r"(^```.*?^```)", text, flags=re.S | re.M)
    for at in range(0, len(parts), 2):
        parts[at] = re.sub(r"`((?:nrt|NRT)_\w+?)(?:\.([a-z_]+))?`",
                           lambda match: reference(*match.groups()), parts[at])
    return "".join(parts)


def main():
    path = sys.argv[1]
    with open(path, encoding="utf-8") as file:
        text = file.read()
    sys.stdout.write(markdown(text) if path.endswith(".md") else header(path, text))


main()
