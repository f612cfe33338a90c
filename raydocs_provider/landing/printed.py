"""What documents print for a sign of ASCII."""

from __future__ import annotations

# Full width is what documents in Chinese and Japanese have.
_ALIKE = str.maketrans(
    {
        **{chr(0xFF10 + digit): str(digit) for digit in range(10)},
        **dict(zip("\uff0c\uff0e\uff07\uff08\uff09\uff0b\uff0d\uff1a\uff0f", ",.'()+-:/", strict=True)),
        **dict.fromkeys("\u2010\u2011\u2013\u2212", "-"),
        **dict.fromkeys("\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u3000", " "),
        "\u2019": "'",
    }
)


def fold(text: str) -> str:
    """The text in ASCII as far as its digits, blanks and signs go, and without blanks around it."""
    return (text if text.isascii() else text.translate(_ALIKE)).strip()
