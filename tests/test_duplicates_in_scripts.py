"""The same party twice in every script: labelled pairs of names, and what the search makes of them."""

from __future__ import annotations

import sys

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2c_lib.frames import EntityFrame, EntityQuery
from p2c_lib.reconcile.duplicates import Likeness, find_duplicates
from p2c_lib.reconcile.party_names import comparable

# One party written twice, as two people enter it.
SAME = [
    ("Ελληνική Αρτοποιία Α.Ε.", "ΕΛΛΗΝΙΚΗ ΑΡΤΟΠΟΙΙΑ ΑΕ"),
    ("Οδυσσέας Εμπορική ΕΠΕ", "ΟΔΥΣΣΕΑΣ ΕΜΠΟΡΙΚΗ"),
    ("Γεώργιος Παπαδόπουλος", "ΓΕΩΡΓΙΟΣ ΠΑΠΑΔΟΠΟΥΛΟΣ"),
    ("ООО «Ромашка»", "Ромашка, ООО"),
    ("ПАО Северный Ветер", "СЕВЕРНЫЙ ВЕТЕР ПАО"),
    ("ТОВ Київські ласощі", "Київські Ласощі"),
    ("ЕООД Розова долина", "РОЗОВА ДОЛИНА ЕООД"),
    ("株式会社山田製作所", "山田製作所（株）"),
    ("ﾄﾚｲﾘｻｰﾁ株式会社", "トレイリサーチ"),
    ("有限会社さくら", "さくら有限会社"),
    ("北京远山科技有限公司", "北京远山科技股份有限公司"),
    ("上海明日贸易公司", "上海明日贸易有限公司"),
    ("(주)한빛전자", "한빛전자 주식회사"),
    ("주식회사 푸른바다", "푸른바다"),
    ("شركة النور للتجارة", "شركة النور للتجارة "),
    ("חברת השקד בע\u05f4מ", "חברת השקד בע\u05f4מ"),
    ("บริษัท ทะเลใส จำกัด", "บริษัท ทะเลใส จำกัด"),
    ("भारत यंत्र निगम", "भारत  यंत्र निगम"),
    ("Trey Research S.p.A.", "TREY RESEARCH SPA"),
    ("Panificio Rossi S.r.l.", "Panificio Rossi srl"),
    ("Transportes Nova, Lda.", "TRANSPORTES NOVA LDA"),
    ("Construções São João Ltda", "Construcoes Sao Joao"),
    ("Comercial Peña S.A. de C.V.", "Comercial Pena"),
    ("Fromagerie Côté SARL", "FROMAGERIE COTE"),
    ("Kwiat Sp. z o.o.", "KWIAT SPÓŁKA Z O.O."),
    ("Łódzkie Tkaniny S.A.", "Lodzkie Tkaniny SA"),
    ("Pekařství Novák s.r.o.", "Pekarstvi Novak"),
    ("Tehnika Ljubljana d.o.o.", "TEHNIKA LJUBLJANA DOO"),
    ("Magyar Acél Zrt.", "MAGYAR ACEL"),
    ("Fabrica Română S.R.L.", "Fabrica Romana SRL"),
    ("Bergen Fisk A/S", "Bergen Fisk AS"),
    ("Åkesson Möbler AB", "AKESSON MOBLER"),
    ("Søndergård ApS", "SONDERGARD APS"),
    ("Järvinen Oy", "JARVINEN OYJ"),
    ("Eesti Mets OÜ", "EESTI METS"),
    ("SIA \u201eLatvijas Medus\u201c", "Latvijas Medus SIA"),
    ("UAB Gintaras", "Gintaras, UAB"),
    ("Yıldız Tekstil A.Ş.", "YILDIZ TEKSTİL"),
    ("Merlion Pte. Ltd.", "MERLION PTE LTD"),
    ("Kelapa Sawit Sdn. Bhd.", "Kelapa Sawit"),
    ("Großmann GmbH & Co. KG", "GROSSMANN GMBH"),
    ("Contoso Pty. Ltd.", "Contoso"),
]
# Parties that resemble one another, in the same scripts.
OTHERS = [
    "Ελληνική Ζυθοποιία Α.Ε.", "Οδυσσέας Ναυτιλιακή", "Γεώργιος Παπαδάκης", "Γεωργία Παπαδοπούλου", "ООО Ромашов",
    "ООО Березка", "ПАО Северный Путь", "ТОВ Київські млини", "ЕООД Розова градина", "山本製作所", "株式会社山田商店",
    "トレイマーケット", "さくら商事", "北京远水科技有限公司", "上海明月贸易有限公司", "한빛건설 주식회사", "푸른하늘",
    "شركة النيل للتجارة", "חברת הזית", "บริษัท ภูเขา จำกัด", "भारत वस्त्र निगम", "Trey Robotics S.p.A.", "Panificio Bianchi",
    "Transportes Norte Lda", "Construções São Pedro", "Comercial Peralta", "Fromagerie Caron", "Kwiatkowski",
    "Krakowskie Tkaniny", "Pekařství Dvořák", "Tehnika Zagreb d.o.o.", "Magyar Alma", "Fabrica Nouă", "Stavanger Fisk",
    "Åkerman Möbler", "Sørensen ApS", "Virtanen Oy", "Eesti Kala OÜ", "Latvijas Piens", "UAB Baltija", "Yılmaz Tekstil",
    "Kelapa Muda Sdn Bhd", "Grosz GmbH", "Fabrikam Pty Ltd", "OÜ", "AB", "株式会社", "Ltd.",
]  # fmt: skip


def found(names: list[str]) -> tuple[set[tuple[str, str]], float | None]:
    """The pairs of numbers that the search takes for one party each, and the recall it tells."""
    rows = pa.table({"id": [f"{i:03d}" for i in range(len(names))], "name": names})
    query = EntityQuery("sales", "accounts", ("id", "name"), ("id",))
    search = find_duplicates(EntityFrame(rows, query), Likeness(name=("name",)))
    return {(pair["key_a"], pair["key_b"]) for pair in search.pairs.to_pylist()}, search.recall


def test_labelled_pairs_of_many_scripts_are_told_apart() -> None:
    names = [name for pair in SAME for name in pair] + OTHERS
    labelled = {(f"{2 * i:03d}", f"{2 * i + 1:03d}") for i in range(len(SAME))}
    pairs, _ = found(names)
    right = len(pairs & labelled)
    precision, recall = right / len(pairs), right / len(labelled)
    wrong = sorted((names[int(a)], names[int(b)]) for a, b in pairs - labelled)
    missed = sorted((names[int(a)], names[int(b)]) for a, b in labelled - pairs)
    print(f"precision {precision:.3f}, recall {recall:.3f}; wrong {wrong}; missed {missed}")
    assert precision >= 0.97, wrong
    assert recall >= 0.97, missed


def test_a_form_alone_is_a_name() -> None:
    assert comparable(pa.array(["AB", "Ltd.", "株式会社", None, " "])).to_pylist() == ["ab", "ltd", "株式会社", "", ""]


def test_the_told_recall_notices_what_folding_loses(monkeypatch: pytest.MonkeyPatch) -> None:
    """With names folded to nothing no pair is found; the yardstick does not use the folded names, so it sees that."""
    names = ["Ελληνική Αρτοποιία", "Ελληνική Αρτοποιία", "Οδυσσέας"]
    assert found(names) == ({("000", "001")}, 1.0)
    monkeypatch.setattr(
        sys.modules["p2c_lib.reconcile.duplicates"], "comparable", lambda given: pa.repeat(pa.scalar(""), len(given))
    )
    assert found(names) == (set(), 0.0)


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(codec="utf-8", categories=("L", "N", "Zs")), min_size=1, max_size=20))
def test_the_same_name_is_a_pair_in_every_script_and_case(name: str) -> None:
    if name.strip() and comparable(pa.array([name])).to_pylist() != [""]:
        assert found([name, f" {name} ", "Contoso and nobody else"])[0] >= {("000", "001")}
