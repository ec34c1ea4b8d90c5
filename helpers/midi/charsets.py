"""Guess the encoding of short texts, such as names in MIDI files: UTF-8, Japanese, Russian or Western European.

MIDI files do not state the encoding, and their names are too short for libraries that use letter frequencies:
charset-normalizer reads "Köln" as Russian, and "Бас" as Japanese. But in the wrong encoding, words look impossible.

Notebook: 03_midi.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

WESTERN = "cp1252"
RUSSIAN = ("cp1251", "koi8-r")  # read as the other one, small letters become capitals and vice versa
CANDIDATES = (WESTERN, "cp932", *RUSSIAN)  # the first wins a tie
MAX_BYTES = 1 << 16  # bytes of text that are examined

_WORD = re.compile(r"[^\W\d_]+")
_TYPOGRAPHY = {
    "cp1251": frozenset("©®™«»“”„‘’–—…•№€§"),
    "koi8-r": frozenset("©°·"),
    WESTERN: frozenset("©®™«»“”„‘’–—…•°ªº¡¿€£§"),
}
_OTHER_CYRILLIC = frozenset("ЁёЄєІіЇїҐґЎў")  # letters outside А to я: Russian ё, Ukrainian and Belarusian letters
_HALF_WIDTH = 0.25  # oddness of a half-width katakana; few texts have them, but those consist of them


def guess(texts: Iterable[bytes]) -> str:
    """Guess the common encoding of several texts, ignoring those in UTF-8.

    Args:
      texts: the texts, such as all names in a file; the guess is better with more of them.

    Returns:
      The name of a codec.
    """
    sample = b"\n".join(text for text in texts if not _is_utf8(text))[:MAX_BYTES]
    return min(CANDIDATES, key=lambda encoding: _oddness(sample, encoding))


def decoded(text: bytes, encoding: str) -> str:
    """Decode a text as UTF-8 or, if that is not possible, in the given encoding."""
    return text.decode("utf-8") if _is_utf8(text) else text.decode(encoding, "replace")


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _oddness(sample: bytes, encoding: str) -> float:
    """The number of places in a text that are almost impossible in the languages of an encoding."""
    text = sample.decode(encoding, "replace")
    odd = 3.0 * text.count("\ufffd")
    if encoding == "cp932":
        return odd + sum(map(_odd_in_japanese, text))
    odd += sum(not (c.isascii() or c.isalpha() or c in _TYPOGRAPHY[encoding]) for c in text)
    is_odd = _is_odd_in_russian if encoding in RUSSIAN else _is_odd_in_the_west
    return odd + sum(map(is_odd, _WORD.findall(text)))


def _odd_in_japanese(character: str) -> float:
    if character.isascii() or character == "\ufffd":
        return 0.0
    if "\uff61" <= character <= "\uff9f":
        return _HALF_WIDTH
    code = character.encode("cp932", "replace")
    is_rare = unicodedata.category(character) == "Co" or not b"\x81\x40" <= code <= b"\x98\x72"
    return float(is_rare)  # kanji beyond the first level, and private-use characters


def _is_odd_in_russian(word: str) -> bool:
    """Russian words are all Cyrillic or all Latin, with capitals throughout or only at the beginning."""
    own = [c for c in word if not c.isascii()]
    if not own:
        return False
    return len(own) < len(word) or not _is_cased(word) or not all("А" <= c <= "я" or c in _OTHER_CYRILLIC for c in own)


def _is_odd_in_the_west(word: str) -> bool:
    """In Western words, at least half of the letters are ASCII, with capitals throughout or only at the beginning."""
    own = sum(not c.isascii() for c in word)
    return own > 0 and len(word) > 1 and (2 * own > len(word) or not _is_cased(word))


def _is_cased(word: str) -> bool:
    return word.isupper() or word[1:].islower() or len(word) == 1
