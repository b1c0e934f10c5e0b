"""The charset of a page, declared or guessed."""

import codecs

import pytest

from llmkit.web import read


def page_text(body, content_type="text/html", url="https://example.com/"):
    return read(body, url, content_type).page_content


CZECH = "Příliš žluťoučký kůň úpěl ďábelské ódy, a výtah stojí už týden bez opravy."


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (CZECH.encode(), "text/html; charset=utf-8"),
        (CZECH.encode(), "text/html"),
        (CZECH.encode("iso-8859-2"), 'text/html; charset="ISO-8859-2"'),
        (b"<meta charset=windows-1250>" + CZECH.encode("cp1250"), "text/html"),
        (
            b"<meta http-equiv=content-type content='text/html; charset=iso-8859-2'>" + CZECH.encode("iso-8859-2"),
            "text/html",
        ),
        (b"<meta charset=iso-8859-2>" + CZECH.encode(), "text/html; charset=utf-8"),
        (codecs.BOM_UTF8 + CZECH.encode(), "text/html; charset=iso-8859-1"),
        (codecs.BOM_UTF16_LE + CZECH.encode("utf-16-le"), "text/html; charset=utf-8"),
        (CZECH.encode(), "text/html; charset=no-such-charset"),
        (CZECH.encode("utf-8"), "text/plain"),
        (b"<?xml version='1.0' encoding='iso-8859-2'?>" + CZECH.encode("iso-8859-2"), "application/xhtml+xml"),
    ],
)
def test_the_charset_is_found_as_browsers_find_it(body, content_type):
    assert page_text(body, content_type) == CZECH


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize(
    "content_type", ["", "text/html", "text/html; charset=utf-8", "text/html; charset=utf-16", "text/plain"]
)
def test_utf_16_without_a_byte_order_mark_is_read(encoding, content_type):
    cyrillic = "Лифт чинят в четверг, паром уходит в девять."
    for text in (CZECH, cyrillic):
        page = text if content_type == "text/plain" else f"<html><meta charset=utf-16><p>{text}</p></html>"
        assert page_text(page.encode(encoding), content_type) == text


def test_charset_labels_have_the_meaning_of_the_encoding_standard():
    assert page_text("“Ça coûte 5 €”".encode("cp1252"), "text/plain; charset=iso-8859-1") == "“Ça coûte 5 €”"


def test_a_wrong_charset_breaks_characters_not_the_page():
    assert page_text("<p>größer</p>".encode("cp1252"), "text/html; charset=utf-8") == "gr\ufffd\ufffder"


def test_text_that_could_be_read_as_ascii_is_not_utf_16():
    assert page_text(b"<meta charset=utf-16><p>Words.") == "Words."


def test_plain_text_declares_no_charset():
    assert page_text("<meta charset=koi8-r> größer".encode(), "text/plain") == "<meta charset=koi8-r> größer"


UNDECLARED = {
    "en": ("The ferry leaves at nine. A ticket costs £12 – dogs don’t pay.", "cp1252"),
    "fr": ("Le bac pour l'île part à neuf heures. Le billet coûte douze couronnes, bien sûr.", "cp1252"),
    "es": ("El transbordador sale a las nueve de la mañana. Los niños no pagan.", "cp1252"),
    "pt": ("A balsa para a ilha sai às nove da manhã. As crianças não pagam.", "cp1252"),
    "sv": ("Färjan till ön går klockan nio. Biljetten kostar tolv kronor, barn åker gratis.", "cp1252"),
    "da": ("Færgen til øen sejler klokken ni om morgenen, og børn rejser gratis på båden.", "cp1252"),
    "it": ("Il traghetto parte alle nove. Perché il biglietto costa così poco? La città paga.", "cp1252"),
    "pl": ("Prom na wyspę odpływa o dziewiątej rano z północnego mola.", "iso-8859-2"),
    "cs": ("Přívoz na ostrov odplouvá v devět hodin ráno ze severního mola.", "cp1250"),
    "tr": ("Adaya giden feribot sabah dokuzda kalkar. Köpekler ücretsizdir, şimdi ığdır.", "cp1254"),
    "ro": ("Feribotul spre insulă pleacă la ora nouă dimineaţa. Copiii nu plătesc şi ei.", "cp1250"),
    "el": ("Το πλοίο για το νησί φεύγει στις εννέα το πρωί.", "iso-8859-7"),
    "ru": ("Паром на остров отправляется с северного причала в девять часов утра.", "koi8-r"),
    "he": ("המעבורת לאי יוצאת בתשע בבוקר מהרציף הצפוני.", "cp1255"),
    "ja": ("島へのフェリーは午前九時に北埠頭から出発します。", "shift_jis"),
    "ko": ("섬으로 가는 배는 아침 아홉 시에 북쪽 부두에서 출발합니다.", "euc-kr"),
    "zh": ("前往岛上的渡轮上午九点从北码头出发。成人票价十二克朗。", "gb18030"),
}


@pytest.mark.parametrize("language", UNDECLARED)
@pytest.mark.parametrize(
    ("before", "after", "content_type"),
    [
        (
            b"<html><head><title>x</title><style>p { color: red }</style></head><body><p>",
            b"</p></body></html>",
            "text/html",
        ),
        (b"<p>", b"</p>" + b"<p class='navigation-item' data-name='x'></p>" * 500, "text/html"),
        (b"", b"", "text/plain"),
    ],
)
def test_an_undeclared_charset_is_guessed_by_the_text(language, before, after, content_type):
    text, charset = UNDECLARED[language]
    assert page_text(before + text.encode(charset) + after, content_type) == text


@pytest.mark.parametrize("price", ["£5", "Only £12 – or £10 in winter.", "20 °C", "© 2020 Holm", "dogs don’t pay ½"])
def test_signs_alone_are_no_letters_of_central_europe(price):
    assert page_text(b"<p>" + price.encode("cp1252")) == price


@pytest.mark.parametrize(
    ("text", "charset", "language", "domain"),
    [
        ("A jegy ára tizenkét korona, hűvös őszi időben is.", "cp1250", "hu", "hu"),
        ("Keltas į salą išplaukia devintą valandą ryto.", "cp1257", "lt", "lt"),
        ("Praam saarele väljub, šokolaad on tasuta.", "cp1257", "et", "ee"),
        ("前往島上的渡輪上午九點從北碼頭出發。", "big5", "zh-TW", "tw"),
    ],
)
def test_language_and_domain_help_the_guess(text, charset, language, domain):
    body = text.encode(charset)
    assert page_text(b"<html lang=%b><p>%b" % (language.encode(), body)) == text
    assert page_text(b"<p>" + body, url=f"https://www.example.{domain}/") == text


def test_utf_8_with_a_broken_byte_stays_utf_8():
    assert page_text("Příliš žluťoučký kůň – <b>".encode() + b"\xe9</b>") == "Příliš žluťoučký kůň – \ufffd"


def test_iso_2022_jp_is_seen_by_its_escapes():
    assert page_text("<p>島へのフェリー</p>".encode("iso-2022-jp")) == "島へのフェリー"


@pytest.mark.slow
@pytest.mark.parametrize("markup", [b"<a", b"<!--", b"<script ", b"<html "])
def test_markup_that_does_not_end_takes_no_time_to_guess(markup):
    assert page_text(b"<p>Caf\xe9</p>" + markup * 1_000_000, "text/html").startswith("Café")
