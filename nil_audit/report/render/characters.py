"""Characters of texts from outside: none that commands a terminal, and ASCII where an encoding has no more."""

import codecs
import re
import unicodedata

_UNPRINTED = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
_IN_ASCII = dict.fromkeys("−–—‐‑─━", "-") | {
    **dict.fromkeys("‘’", "'"),
    **dict.fromkeys("“”", '"'),
    "×": "x",
    "±": "+-",
    "…": "...",
    "≤": "<=",
    "≥": ">=",
    "≈": "~",
    "←": "<-",
    "→": "->",
    "·": ".",
    "†": "^",
    "²": "2",
    "³": "3",
    "ᵀ": "^T",
    "⟨": "<",
    "⟩": ">",
    "↵": "\\n",
    "⇥": "\\t",
    "␣": "_",
    "▸": ">",
    "◂": "<",
}


def printable(text: str) -> str:
    """A text from outside without control and invisible formatting characters; white space stays.

    Such characters command a terminal, are not allowed in XML, or turn the direction of what follows.
    """
    if text.isprintable():
        return text
    return "".join(
        character for character in text if character in "\n\t" or unicodedata.category(character) not in _UNPRINTED
    )


def clean(text: str) -> str:
    """A text from outside on one line: printable, runs of white space made one space."""
    return " ".join(printable(" ".join(text.split())).split())


def visible(text: str) -> str:
    r"""A piece of running text on one line with every character to be seen: a new line "↵", a tab "⇥", else "\u200b".

    Of several spaces in a row each is "␣", since a page makes them one.
    """
    text = text.replace("\r\n", "\n").replace("\n", "↵").replace("\t", "⇥")
    text = re.sub("  +", lambda found: "␣" * len(found.group()), text)
    return "".join(one if one.isprintable() else _escape(one) for one in text)


def _escape(character: str) -> str:
    """A character by its number, as Python writes it."""
    number = ord(character)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    """What stands for characters that an encoding lacks: signs and Greek letters in ASCII, the rest by its number."""
    assert isinstance(error, UnicodeEncodeError)
    return "".join(map(_one_in_ascii, error.object[error.start : error.end])), error.end


def _one_in_ascii(character: str) -> str:
    if character in _IN_ASCII:
        return _IN_ASCII[character]
    if greek := re.match(r"GREEK (SMALL|CAPITAL) LETTER (?:FINAL )?(\w+)$", unicodedata.name(character, "")):
        return greek[2].lower() if greek[1] == "SMALL" else greek[2].capitalize()
    return character.encode("ascii", "backslashreplace").decode()


IN_ASCII = "nil_audit.in_ascii"
"""Name of the error handler of codecs that writes what an encoding lacks in ASCII."""
codecs.register_error(IN_ASCII, _in_ascii)


def fitted(text: str, encoding: str) -> str:
    """A text that an encoding can hold: what it lacks is written in ASCII, "±" as "+-" and "σ" as "sigma"."""
    return text.encode(encoding, IN_ASCII).decode(encoding)
