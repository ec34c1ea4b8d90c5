"""Text of unknown encoding, such as the names in MIDI files: UTF-8, Japanese, Russian or Western European?

A file does not say which, and its names are too short for libraries that go by the frequency of letters:
charset-normalizer reads "Köln" as Russian, and "Бас" as Japanese. But read in a wrong encoding, words look impossible.

Notebook: 03_midi.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

WESTERN = "cp1252"
RUSSIAN = ("cp1251", "koi8-r")  # each has the other's small letters for capitals
CANDIDATES = (WESTERN, "cp932", *RUSSIAN)  # of equally good ones the first is taken
MAX_BYTES = 1 << 16  # that are looked at

_WORD = re.compile(r"[^\W\d_]+")
_TYPOGRAPHY = {
    "cp1251": frozenset("©®™«»“”„‘’–—…•№€§"),
    "koi8-r": frozenset("©°·"),
    WESTERN: frozenset("©®™«»“”„‘’–—…•°ªº¡¿€£§"),
}
_OTHER_CYRILLIC = frozenset("ЁёЄєІіЇїҐґЎў")  # Russian's ё, Ukrainian and Belarusian letters
_HALF_WIDTH = 0.25  # how odd a narrow katakana is: few texts have them, and those have nothing else


def guess(texts: Iterable[bytes]) -> str:
    """The encoding of texts that belong together, as far as they are not UTF-8.

    Args:
      texts: such as all names in a file; the more there are, the better the guess.

    Returns:
      The name of a codec.
    """
    sample = b"\n".join(text for text in texts if not _is_utf8(text))[:MAX_BYTES]
    return min(CANDIDATES, key=lambda encoding: _oddness(sample, encoding))


def decoded(text: bytes, encoding: str) -> str:
    """A text that is UTF-8 or else has the encoding that was guessed."""
    return text.decode("utf-8") if _is_utf8(text) else text.decode(encoding, "replace")


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _oddness(sample: bytes, encoding: str) -> float:
    """How many places of a text are almost impossible in the languages that have the encoding."""
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
    return float(is_rare)  # kanji after the first level, and what Unicode does not know


def _is_odd_in_russian(word: str) -> bool:
    """A word is all Cyrillic or all Latin, with capitals throughout or at its beginning alone."""
    own = [c for c in word if not c.isascii()]
    if not own:
        return False
    return len(own) < len(word) or not _is_cased(word) or not all("А" <= c <= "я" or c in _OTHER_CYRILLIC for c in own)


def _is_odd_in_the_west(word: str) -> bool:
    """Most letters of a word are of the plain alphabet."""
    own = sum(not c.isascii() for c in word)
    return own > 0 and len(word) > 1 and (2 * own > len(word) or not _is_cased(word))


def _is_cased(word: str) -> bool:
    return word.isupper() or word[1:].islower() or len(word) == 1
