"""Words as they are spelt: those that were probably meant, and a noun beside its number."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(word: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """The known word that is spelt most like another; None where none is.

    Args:
        cutoff: how much of it must agree, 0 to 1.
    """
    import difflib

    return next(iter(difflib.get_close_matches(word, list(known), n=1, cutoff=cutoff)), None)


def did_you_mean(word: str, known: Iterable[str], *, otherwise: str, cutoff: float = 0.6) -> str:
    """A hint for who wrote an unknown word: the nearest known one, or where to find those that there are."""
    near = nearest(word, known, cutoff=cutoff)
    return f"did you mean {near!r}?" if near else otherwise


def plain(name: str) -> str:
    """A name without case and punctuation."""
    return "".join(letter for letter in name.lower() if letter.isalnum())


def counted(count: int, one: str, many: str = "") -> str:
    """``1 row``, ``2 rows``."""
    return f"{count} {one if count == 1 else many or one + 's'}"
