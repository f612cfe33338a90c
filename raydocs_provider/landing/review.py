"""
Which documents a person should look at, and why, by rules of the author of the Dag. Nothing here stops a landing.

The reasons are codes. They hold words of this module and names of the template, never anything that a document says:

- ``no_data``: the run has no data.
- ``required:<field>``: what has to be there is missing, null, blank or an empty list.
- ``sum:<right side>``: the two sides of an equation differ by more than the tolerance.
- ``unchecked:<right side>``: a term of an equation is missing or no number. ``unchecked:review_below``: no value that
  a threshold is for has a confidence.
- ``misfit:<field>``: a value did not fit its column. Of one that is not in the template what it is in is named, ``*``
  if that is the whole document.
- ``constant_confidence``: all confidences are the same, so that nothing was judged.
- ``low_confidence:<field>`` and ``missing_confidence:<field>``.

A field is written as in ``t__fields``: group, dot, name, inside objects and lists with further dots. One in a list is
named once, however many items it is about: which ones, ``review_code`` of ``t__fields`` says. There, a value that is in
no list also has the first word of a check that failed and is about it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from raydocs_provider.api.schema import ExtractionSchema
from raydocs_provider.arguments import require_ratio
from raydocs_provider.exceptions import RaydocsInputError
from raydocs_provider.landing.names import Path
from raydocs_provider.landing.review_checks import Equation, ReadNumber, Required, parse_check, read_number
from raydocs_provider.landing.schema_fields import SchemaFields

# What review_status says; NULL where there are no rules. The last two are the word of a person.
REVIEW = "review"
PASSED = "passed"
APPROVED = "approved"
CORRECTED = "corrected"

MISFIT = "misfit"
LOW_CONFIDENCE = "low_confidence"
MISSING_CONFIDENCE = "missing_confidence"
CONSTANT_CONFIDENCE = "constant_confidence"

#: The key of ``review_below`` for all fields that have no threshold of their own.
EVERY_FIELD = "*"
# Fewer may be the same by chance.
MIN_CONSTANT = 5
MAX_CODES = 50
# A form of more fields is not filled in.
MAX_FIELDS = 20


def parse_review(
    review_below: float | Mapping[str, float] | None, review_checks: Sequence[str] = ()
) -> ReviewRules | None:
    """
    Read the rules as the author of a Dag writes them. No template is needed, so mistakes show when the Dag is parsed.

    :param review_below: the confidence, 0 to 1, below which a value is to be looked at, also a null. A mapping gives
        each field its own: ``"*"`` stands for all others, a group, an object or a list for what is in it, and the
        nearest counts. Nothing is below 0. Default: no threshold.
    :param review_checks: each one of

        - ``required(group.field)``: something has to be there. Of a field in a list: in every item; an empty list has
          none that lacks it.
        - ``sum(group.list.field) = group.field +/- 0.01``: sums of fields and of lists, with ``+`` and ``-`` on both
          sides and blanks around ``=``, ``+`` and ``-``. Without a tolerance they have to be equal. The code names the
          right side only.
        - ``missing_confidence``: every value but null has to have one.
        - ``constant_confidence``: the fields of a document, if they are 5 or more, must not all have the same.

        Default: no checks.
    :return: None if there are no rules: then nothing is reviewed, not even what does not fit.
    :raises RaydocsInputError: saying what cannot be used, and what can.
    """
    below = _parse_thresholds(review_below)
    if isinstance(review_checks, str) or not isinstance(review_checks, Sequence):
        raise RaydocsInputError(f"review_checks has to be a list of texts, not {review_checks!r}.")
    checks: dict[str, Required | Equation | None] = {}
    for text in review_checks:
        word = text.strip() if isinstance(text, str) else ""
        check = None if word in (MISSING_CONFIDENCE, CONSTANT_CONFIDENCE) else parse_check(text)
        code = check.code if check else word
        if code in checks:
            raise RaydocsInputError(
                f"review_checks: {text!r} gives the code {code!r}, as another check does. Leave it out, or turn the "
                "equation around."
            )
        checks[code] = check
    if not below and not checks:
        return None
    return ReviewRules(
        below,
        tuple(check for check in checks.values() if check),
        missing_confidence=MISSING_CONFIDENCE in checks,
        constant_confidence=CONSTANT_CONFIDENCE in checks,
    )


@dataclass(frozen=True, slots=True)
class ReviewRules:
    """
    Rules that make sense by themselves.

    :param below: thresholds, by field as written.
    :param checks: in the order of the author.
    """

    below: Mapping[str, Decimal]
    checks: tuple[Required | Equation, ...]
    missing_confidence: bool
    constant_confidence: bool

    def resolve(self, schema: ExtractionSchema, read: ReadNumber = read_number) -> Reviewer:
        """
        Find the fields of the rules in a template.

        :param schema: of the template.
        :param read: makes the numbers that are added up; default: JSON numbers only, so that a sum of texts is never
            checked.
        :raises RaydocsInputError: the template has no such field, two that are written alike, or one that cannot be
            added up.
        """
        fields = SchemaFields(schema)
        named: dict[Path, Decimal] = {}
        for name, limit in self.below.items():
            named[() if name == EVERY_FIELD else fields.find(name, "review_below").path] = limit
        thresholds = {path: _nearest(path, named) for path in fields.written}
        return Reviewer(self, tuple(check.resolve(fields) for check in self.checks), fields.written, thresholds, read)


class Reviewer:
    """
    Reviews the documents of one template. Keeps nothing between them.

    :param rules: as the author wrote them.
    :param checks: those of the rules, with the routes of their fields.
    :param written: how each group and field is written.
    :param thresholds: of each group and field.
    :param read: makes the numbers that are added up.
    """

    def __init__(
        self,
        rules: ReviewRules,
        checks: Sequence[Required | Equation],
        written: Mapping[Path, str],
        thresholds: Mapping[Path, Decimal | None],
        read: ReadNumber,
    ) -> None:
        self._rules = rules
        self._checks = checks
        self._written = written
        self._thresholds = thresholds
        self._read = read

    def open(self, data: object) -> DocumentReview:
        """
        Begin with a document: check it as a whole.

        :param data: the run's, group -> field -> value.
        """
        faulty = [(check, code) for check in self._checks if (code := check.find_fault(data, self._read))]
        codes = [*([] if data else ["no_data"]), *(code for _, code in faulty)]
        words: dict[Path, str] = {}
        for check, code in faulty:
            for path in check.single_values:
                words.setdefault(path, code.partition(":")[0])
        return DocumentReview(self._rules, self._written, self._thresholds, codes, words)


class DocumentReview:
    """
    The review of one document: its values are judged as they come, then it is closed.

    :param codes: of the checks.
    :param words: the first word of the code of a failed check, by the values it is about that are in no list.
    """

    def __init__(
        self,
        rules: ReviewRules,
        written: Mapping[Path, str],
        thresholds: Mapping[Path, Decimal | None],
        codes: Sequence[str],
        words: Mapping[Path, str],
    ) -> None:
        self._rules = rules
        self._written = written
        self._thresholds = thresholds
        self._codes = codes
        self._words = words
        self._found: dict[str, dict[str, None]] = {MISFIT: {}, LOW_CONFIDENCE: {}, MISSING_CONFIDENCE: {}}
        self._judged: set[Path] = set()
        self._different: set[Decimal] = set()
        self._compared = self._incomparable = False

    @property
    def fields(self) -> tuple[str, ...]:
        """The values in no list that failed checks are about, whether the document has them or not."""
        return tuple(self._written[path] for path in self._words)

    def judge(self, path: Path, confidence: object, is_null: bool, misfit: bool = False) -> str | None:
        """
        Judge one value, in the order of the document.

        :param path: names from the group down.
        :param confidence: one that is no number from 0 to 1 is a missing one.
        :param misfit: whether it did not fit its column.
        :return: why it is to be looked at: ``misfit``, else ``low_confidence`` or ``missing_confidence``, else what is
            wrong with the document as a whole that it is a part of: ``required``, ``sum`` or ``unchecked``. Or None.
        """
        known = _known(confidence)
        code = self._compare(path, known, is_null)
        if misfit:
            self._found[MISFIT][self._name(path)] = None
        if code:
            self._found[code][self._name(path)] = None
        if known is not None:
            # What is said about a list stands for all of its items: it is one judgement.
            self._judged.add(path[:2])
            self._different.add(known)
        if self._thresholds.get(path):
            self._compared = self._compared or known is not None
            self._incomparable = self._incomparable or (known is None and not is_null)
        return MISFIT if misfit else code or self._words.get(path)

    def close(self) -> tuple[str, tuple[str, ...]]:
        """
        Sum up.

        :return: ``review`` or ``passed``, and the codes: those of the checks in the order of the author, then those
            about values. None comes twice; instead of the last beyond `MAX_CODES` there is one ``more:<number>``.
        """
        codes = list(dict.fromkeys([*self._codes, *self._codes_of_values()]))
        more = len(codes) - MAX_CODES
        if more > 0:
            codes[MAX_CODES:] = [f"more:{more}"]
        return (REVIEW if codes else PASSED), tuple(codes)

    def _codes_of_values(self) -> Iterator[str]:
        yield from (f"{MISFIT}:{name}" for name in self._found[MISFIT])
        if self._rules.constant_confidence and len(self._judged) >= MIN_CONSTANT and len(self._different) == 1:
            yield CONSTANT_CONFIDENCE
        if self._incomparable and not self._compared:
            yield "unchecked:review_below"
        for code in (LOW_CONFIDENCE, MISSING_CONFIDENCE):
            yield from (f"{code}:{name}" for name in self._found[code])

    def _compare(self, path: Path, confidence: Decimal | None, is_null: bool) -> str | None:
        if confidence is None:
            return MISSING_CONFIDENCE if self._rules.missing_confidence and not is_null else None
        threshold = self._thresholds.get(path)
        return LOW_CONFIDENCE if threshold is not None and confidence < threshold else None

    def _name(self, path: Path) -> str:
        """
        The field as written, or the innermost that it is in and that the template has.

        Other names come from the data, and may be anything.
        """
        return next((self._written[part] for part in _outwards(path) if part in self._written), EVERY_FIELD)


def _known(confidence: object) -> Decimal | None:
    number = read_number((), confidence)
    return number if number is not None and 0 <= number <= 1 else None


def _nearest(path: Path, named: Mapping[Path, Decimal]) -> Decimal | None:
    """The threshold of a field, or of the innermost that it is in and that has one."""
    return next((named[part] for part in _outwards(path) if part in named), None)


def _outwards(path: Path) -> Iterator[Path]:
    """The path, then what it is in, one by one, and last the document."""
    return (path[:length] for length in range(len(path), -1, -1))


def _parse_thresholds(review_below: float | Mapping[str, float] | None) -> dict[str, Decimal]:
    if review_below is None:
        return {}
    if not isinstance(review_below, Mapping):
        return {EVERY_FIELD: _parse_threshold(review_below, "review_below")}
    for name in review_below:
        if not isinstance(name, str):
            raise RaydocsInputError(f"review_below: {name!r} is not a text. Write group.field, or '*' for all others.")
    return {name: _parse_threshold(limit, f"review_below[{name!r}]") for name, limit in review_below.items()}


def _parse_threshold(limit: float, label: str) -> Decimal:
    # As it is written, not as the float nearest to it.
    return Decimal(repr(require_ratio(limit, label)))
