from __future__ import annotations

import pytest

from raydocs_provider.wording import say_count


@pytest.mark.parametrize(("number", "said"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (20_000, "20000 rows")])
def test_one_is_singular_and_every_other_number_is_plural(number, said):
    assert say_count(number, "row") == said


@pytest.mark.parametrize(("number", "said"), [(0, "0 values do not fit"), (1, "1 value does not fit")])
def test_a_verb_goes_with_its_number(number, said):
    assert say_count(number, "value does not fit", "values do not fit") == said
