"""helpers.charsets: which encoding the names of a MIDI file have."""

import pytest

from helpers.midi.charsets import decoded, guess

JAPANESE = (
    "ピアノ", "主旋律", "ドラム", "ベース 2", "右手", "東方紅魔郷", "メロディー", "ストリングス", "Guitar ギター",
    "ソロ", "ﾋﾟｱﾉ", "ｷﾞﾀｰ 1", "上海紅茶館　～ Chinese Tea", "作曲：ＺＵＮ", "歌", "さくら", "亡き王女の為のセプテット",
)  # fmt: skip
RUSSIAN = (
    "Пианино", "Соло", "Гитара 1", "Бас", "Ударные", "Мелодия", "Скрипка", "Хор", "ПИАНИНО", "Катюша",
    "Вступление (соло)", "Подмосковные вечера", "Synth бас", "БАС", "Ноты: А. Иванов", "Ёлочка", "Гітара", "«Калинка»",
)  # fmt: skip
WESTERN = (
    "Flöte für Å", "Café", "Flûte", "Piano à queue", "Señor", "Köln", "© 1998 Müller", "Hände", "Änderung", "Basso è",
    "Großes Orchester", "“Lead” – it’s", "Don’t", "Ação", "FLÖTE", "Å", "Ærlig Øl", "n° 5", "Dvorák: Rusalka", "¿Qué?",
)  # fmt: skip

# Words of small letters alone could as well be capitals in CP1251, which is more common.
UNIX = (
    "Пианино", "Соло", "Гитара 1", "Бас", "Ударные", "Мелодия", "Хор", "Катюша", "Вступление (соло)", "Ноты: А. Иванов",
    "Подмосковные вечера", "Ёлочка", "Калинка © 1998",
)  # fmt: skip


@pytest.mark.parametrize(
    ("encoding", "text"),
    [("cp932", text) for text in JAPANESE]
    + [("cp1251", text) for text in RUSSIAN]
    + [("cp1252", text) for text in WESTERN]
    + [("koi8-r", text) for text in UNIX],
)
def test_a_single_name(encoding, text):
    raw = text.encode(encoding)
    assert decoded(raw, guess([raw])) == text


@pytest.mark.parametrize(
    ("encoding", "texts"), [("cp932", JAPANESE), ("cp1251", RUSSIAN), ("cp1252", WESTERN), ("koi8-r", UNIX)]
)
def test_all_names_of_a_file_together(encoding, texts):
    raw = [b"Drums", b"", *(text.encode(encoding) for text in texts)]
    assert guess(raw) == encoding


def test_utf_8_needs_no_guess():
    for text in (*JAPANESE, *RUSSIAN, *WESTERN, "plain", "", "한국어"):
        assert decoded(text.encode("utf-8"), "cp1251") == text


def test_any_bytes_are_some_text():
    raw = [bytes(range(256)), b"\x81", b"\xff" * 100]
    assert all(isinstance(decoded(text, guess(raw)), str) for text in raw)
