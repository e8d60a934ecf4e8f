"""SECURITY.md says what is kept, and which test proves it."""

from tests.support.requirements import requirements

ASKED = [
    *(f"T{number}" for number in range(1, 9)),
    *(f"K{number}" for number in range(1, 7)),
    *(f"J{number}" for number in range(1, 9)),
    *(f"B{number}" for number in range(1, 7)),
    *(f"L{number}" for number in range(1, 7)),
    *(f"D{number}" for number in range(1, 9)),
    *("X1", "X2", "X4"),
]


def test_every_requirement_stands_in_the_table_once() -> None:
    """None is forgotten and none is listed twice."""
    assert sorted(name for name, _ in requirements()) == sorted(ASKED)


def test_every_requirement_names_tests_that_there_are() -> None:
    """A proof that has been renamed or removed is missed at once."""
    for name, proofs in requirements():
        assert proofs, name
        for proof in proofs:
            assert proof.exists, f"{name}: {proof}"
