"""Names of firms and people in a form to compare, in every script: what is written in several ways becomes one."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["comparable", "folded_words"]

ACCENTS = r"[\x{300}-\x{36F}]"  # of Latin, Greek and Cyrillic; the marks of other scripts are letters of their own
APART = r"[^\p{L}\p{N}\p{M}]+"
LETTERS = {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "ł": "l", "þ": "th", "ı": "i", "ς": "σ"}

# What says only what kind of firm it is. Each form of a few letters is known with blanks or dots between them as well.
FORMS = """
ab aktiebolag aps a/s as asa aktieselskab anpartsselskab ans da ks oy oyj osakeyhtio hf ehf
oü aktsiaselts osaühing sia uab mb ii
gmbh ag kg kgaa ohg ug ek ev mbh gesmbh se bv nv bvba vof cv sprl scrl
inc incorporated ltd limited llc llp lp plc co corp corporation company pty pte pvt cio
sa sas sasu sarl sarlu eurl snc sci spa srl srls sapa sl slu slne scl ltda lda eireli mei cv
"sa de cv" "s a de c v" "s de rl de cv"
"sp z oo" "sp z o o" "spółka z oo" "spółka z o o" "sp j" "sp k"
sro as vos ks kft zrt bt nyrt rt doo dd ad ead ood eood dooel jsc ojsc cjsc
ооо оао зао ао пао ип тов тоо ооd еоод оод ад еад ео ооу дд доо
αε επε ικε οε εε ae epe ike
"ltd şti" "ltd sti" "a ş" aş tas
"co ltd" "sdn bhd" bhd "pte ltd" "pvt ltd" "pt" tbk "jsc"
""".replace("\n", " ")
# Scripts without blanks between words: these stand before or after the name, or in brackets.
JOINED = (
    "股份有限公司 有限責任公司 有限责任公司 有限公司 株式会社 株式會社 有限会社 合同会社 合資会社 合名会社 "
    "一般社団法人 주식회사 유한회사 유한책임회사 合作社 公司 (株) (有) (주) (유)"
)
SHORT = 5  # letters: longer forms are not written with dots


def folded_words(values: pa.Array | pa.ChunkedArray) -> Any:
    """Texts without case, accents and signs, one blank between words, in any script; null is empty.

    >>> folded_words(pa.array(["Ο Μύλος", "Straße-9", None])).to_pylist()
    ['ο μυλοσ', 'strasse 9', '']
    """
    return _without_accents(_words(values))


def comparable(names: pa.Array | pa.ChunkedArray) -> Any:
    """Names folded and without the words that tell a firm's legal form; a name of nothing else stays whole.

    >>> comparable(pa.array(["Trey S.p.A.", "ООО Ромашка", "株式会社トレイ", "Ås AS", "AB"])).to_pylist()
    ['trey', 'ромашка', 'トレイ', 'as', 'ab']
    """
    spelt = pc.utf8_normalize(pc.fill_null(names, ""), "NFKC")
    text = _words(pc.replace_substring_regex(spelt, _either(JOINED.split()), " "))
    # Two blanks between words, so that two forms side by side do not share one.
    spaced = pc.binary_join_element_wise(" ", pc.replace_substring(text, " ", "  "), " ", "")
    bare = pc.replace_substring_regex(spaced, f" (?:{_either(_spellings())}) ", " ")
    bare = pc.utf8_trim_whitespace(pc.replace_substring_regex(bare, " +", " "))
    return _without_accents(pc.if_else(pc.equal(bare, ""), _words(spelt), bare))


def _words(values: pa.Array | pa.ChunkedArray) -> Any:
    text = pc.utf8_lower(pc.utf8_upper(pc.utf8_normalize(pc.fill_null(values, ""), "NFKC")))
    text = pc.replace_substring_regex(text, r"['’`´]", "")
    return pc.utf8_trim_whitespace(pc.replace_substring_regex(text, APART, " "))


def _without_accents(text: Any) -> Any:
    text = pc.replace_substring_regex(pc.utf8_normalize(text, "NFKD"), ACCENTS, "")
    for letter, others in LETTERS.items():
        text = pc.replace_substring(text, letter, others)
    return pc.utf8_normalize(text, "NFKC")


def _either(forms: list[str]) -> str:
    """A pattern of any of some texts, the longest first."""
    return "|".join(_quoted(form) for form in sorted(set(forms), key=lambda form: (-len(form), form)))


def _quoted(text: str) -> str:
    return "".join(f"\\{sign}" if sign in "()" else sign for sign in text)


def _spellings() -> list[str]:
    """Each form as words with two blanks between them, joined and apart: spa, s  p  a."""
    import shlex

    found = []
    for form in _words(pa.array(shlex.split(FORMS))).to_pylist():
        letters = form.replace(" ", "")
        found += [form.replace(" ", "  "), letters]
        if len(letters) <= SHORT:
            found.append("  ".join(letters))
    return [form for form in found if form]
