"""What the emulator reads from files of every kind, and which it refuses."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from raydocs_provider.emulator.reading import IMAGE_TEXT_KEY, Page, UnreadableDocument, read_document


def pdf_of(path: Path, *pages: list[tuple[float, float, str]], **options: object) -> Path:
    """A PDF with texts at (x, y from the bottom)."""
    canvas = Canvas(str(path), invariant=1, **options)
    for texts in pages:
        canvas.setFont("Helvetica", 10)
        for x, y, text in texts:
            canvas.drawString(x, y, text)
        canvas.showPage()
    canvas.save()
    return path


def lines_of(path: Path) -> list[tuple[str, ...]]:
    return [page.lines for page in read_document(path)]


class TestPdf:
    def test_lines_come_top_to_bottom_whatever_the_order_in_which_they_were_drawn(self, tmp_path):
        path = pdf_of(tmp_path / "a.pdf", [(50, 700, "third"), (50, 724, "first"), (50, 712, "second")])
        assert lines_of(path) == [("first", "second", "third")]

    def test_a_wide_gap_separates_cells_and_a_space_does_not(self, tmp_path):
        path = pdf_of(tmp_path / "a.pdf", [(50, 700, "Total due"), (300, 700, "1,234.56 EUR")])
        assert lines_of(path) == [("Total due\t1,234.56 EUR",)]

    def test_characters_drawn_one_by_one_still_make_words(self, tmp_path):
        canvas = Canvas(str(tmp_path / "a.pdf"))
        x = 50.0
        for character in "Total due 12.50":
            if character != " ":
                canvas.drawString(x, 700, character)
            x += canvas.stringWidth(character)
        canvas.save()
        assert lines_of(tmp_path / "a.pdf") == [("Total due 12.50",)]

    def test_a_blank_cell_of_a_table_keeps_its_place(self, tmp_path):
        heading = [(50, 700, "Pos"), (90, 700, "Description"), (300, 700, "Qty"), (400, 700, "Total")]
        row = [(50, 685, "1"), (90, 685, "Hammer"), (400, 685, "9.00")]
        wrapped = [(90, 670, "with a handle")]
        path = pdf_of(tmp_path / "a.pdf", heading + row + wrapped)
        assert lines_of(path) == [("Pos\tDescription\tQty\tTotal", "1\tHammer\t\t9.00", "\twith a handle")]

    def test_a_wide_vertical_gap_is_an_empty_line(self, tmp_path):
        path = pdf_of(tmp_path / "a.pdf", [(50, 700, "above"), (50, 600, "below")])
        assert lines_of(path) == [("above", "", "below")]

    def test_pages_are_numbered_from_1_and_an_empty_page_counts(self, tmp_path):
        path = pdf_of(tmp_path / "a.pdf", [(50, 700, "one")], [], [(50, 700, "three")])
        assert read_document(path) == (Page(1, ("one",)), Page(2, ()), Page(3, ("three",)))

    def test_a_page_turned_for_display_is_read_as_displayed(self, tmp_path):
        canvas = Canvas(str(tmp_path / "a.pdf"))
        canvas.setPageRotation(90)
        canvas.translate(595, 0)
        canvas.rotate(90)
        canvas.drawString(50, 500, "Invoice no.")
        canvas.drawString(300, 500, "A-1")
        canvas.drawString(50, 486, "below")
        canvas.save()
        assert lines_of(tmp_path / "a.pdf") == [("Invoice no.\tA-1", "below")]

    def test_scaled_text_of_an_embedded_font_is_measured_as_it_is_seen(self, tmp_path):
        pdfmetrics.registerFont(TTFont("Vera", "Vera.ttf"))
        canvas = Canvas(str(tmp_path / "a.pdf"))
        canvas.scale(12, 12)
        canvas.setFont("Vera", 1)
        canvas.drawString(5, 60, "Café Élysée")
        canvas.drawString(20, 60, "12,50 €")
        canvas.save()
        assert lines_of(tmp_path / "a.pdf") == [("Café Élysée\t12,50 €",)]

    def test_many_threads_may_read_at_once(self, tmp_path):
        path = pdf_of(tmp_path / "a.pdf", *[[(50, 700, f"page {number}")] for number in range(20)])
        with ThreadPoolExecutor(8) as pool:
            results = set(pool.map(read_document, [path] * 24))
        assert results == {tuple(Page(number + 1, (f"page {number}",)) for number in range(20))}

    def test_one_that_only_its_owner_may_change_is_readable(self, tmp_path):
        path = pdf_of(tmp_path / "a.pdf", [(50, 700, "text")], encrypt=StandardEncryption("", ownerPassword="x"))
        assert lines_of(path) == [("text",)]

    @settings(max_examples=25, deadline=None)
    @given(
        texts=st.lists(
            st.text(st.characters(codec="latin-1", categories=["L", "N", "P"]), min_size=1, max_size=12), min_size=1
        )
    )
    def test_what_was_printed_line_by_line_is_read_line_by_line(self, texts, tmp_path_factory):
        texts = texts[:40]
        path = tmp_path_factory.mktemp("pdf") / "a.pdf"
        pdf_of(path, [(50, 800 - 15 * number, text) for number, text in enumerate(texts)])
        assert [line.replace(" ", "") for line in lines_of(path)[0]] == texts


class TestImages:
    TEXT = "Rechnung Nr.\tÄ-1 €\n\nSumme\t5"

    def png(self, path: Path, text: str | None) -> Path:
        info = PngInfo()
        if text is not None:
            info.add_itxt(IMAGE_TEXT_KEY, text)
        Image.new("RGB", (40, 40), "white").save(path, "PNG", pnginfo=info)
        return path

    def test_a_png_is_read_from_the_text_it_carries(self, tmp_path):
        assert lines_of(self.png(tmp_path / "a", self.TEXT)) == [("Rechnung Nr.\tÄ-1 €", "", "Summe\t5")]

    def test_a_jpeg_is_read_from_the_text_it_carries_page_by_page(self, tmp_path):
        comment = f"{IMAGE_TEXT_KEY}\nseite 1 ä\fseite 2".encode()
        Image.new("RGB", (40, 40)).save(tmp_path / "a", "JPEG", comment=comment)
        assert lines_of(tmp_path / "a") == [("seite 1 ä",), ("seite 2",)]

    def test_a_png_without_text_is_readable_and_empty(self, tmp_path):
        assert lines_of(self.png(tmp_path / "a", None)) == [()]

    def test_a_jpeg_with_a_comment_of_another_program_is_readable_and_empty(self, tmp_path):
        Image.new("RGB", (40, 40)).save(tmp_path / "a", "JPEG", comment=b"made by a camera \xff")
        assert lines_of(tmp_path / "a") == [()]

    @pytest.mark.parametrize("kind", ["PNG", "JPEG"])
    def test_one_cut_off_in_the_middle_is_unreadable(self, tmp_path, kind):
        buffer = BytesIO()
        Image.effect_noise((200, 200), 50).save(buffer, kind)
        (tmp_path / "a").write_bytes(buffer.getvalue()[: buffer.tell() // 2])
        with pytest.raises(UnreadableDocument, match="the image cannot be decoded"):
            read_document(tmp_path / "a")


class TestOtherFiles:
    def test_the_type_is_told_from_the_content_not_from_the_name(self, tmp_path):
        pdf = pdf_of(tmp_path / "invoice.jpg", [(50, 700, "a PDF")])
        assert lines_of(pdf) == [("a PDF",)]

    def test_plain_text_is_read_line_by_line(self, tmp_path):
        (tmp_path / "a.txt").write_text("Größe\t5\n\nend", encoding="utf-8")
        assert lines_of(tmp_path / "a.txt") == [("Größe\t5", "", "end")]

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            pytest.param(b"", "the file is empty", id="nothing"),
            pytest.param(b"%PDF-1.7\n", "the PDF cannot be opened", id="a PDF header alone"),
            pytest.param(b"%PDF-1.7\n" + b"\x80\x81" * 500, "the PDF cannot be opened", id="noise after a PDF header"),
            pytest.param(b"\x89PNG\r\n\x1a\n", "the image cannot be decoded", id="a PNG header alone"),
            pytest.param(b"\xff\xd8\xff\xe0", "the image cannot be decoded", id="a JPEG header alone"),
            pytest.param(b"PK\x03\x04\0\0\0", "neither a PDF nor", id="an office file"),
            pytest.param(b"caf\xe9", "neither a PDF nor", id="text that is not UTF-8"),
        ],
    )
    def test_what_cannot_be_parsed_is_refused_with_a_reason(self, tmp_path, content, reason):
        (tmp_path / "a.pdf").write_bytes(content)
        with pytest.raises(UnreadableDocument, match=reason):
            read_document(tmp_path / "a.pdf")

    def test_a_pdf_with_a_password_is_refused(self, tmp_path):
        path = pdf_of(tmp_path / "a.pdf", [(50, 700, "secret")], encrypt="a password")
        with pytest.raises(UnreadableDocument, match="password"):
            read_document(path)

    @settings(max_examples=60, deadline=None)
    @given(
        head=st.sampled_from([b"", b"%PDF-1.4\n", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0"]),
        rest=st.binary(max_size=300),
    )
    def test_any_bytes_are_either_read_or_refused(self, head, rest, tmp_path_factory):
        path = tmp_path_factory.mktemp("bytes") / "a"
        path.write_bytes(head + rest)
        try:
            pages = read_document(path)
        except UnreadableDocument:
            return
        assert [page.number for page in pages] == list(range(1, len(pages) + 1))
