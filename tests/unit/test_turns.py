"""Turns: every app that waits is served in turn, and none loses its order."""

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from api.log.turns import Turns
from tenants.ids import AppId


@given(st.lists(st.integers(1, 4), max_size=60))
def test_nobody_waits_for_more_than_one_of_each_other_app(apps: list[int]) -> None:
    """Whoever is nth in its app's line is taken in the nth round, and everybody is taken once."""
    turns: Turns[tuple[int, int]] = Turns()
    places: defaultdict[int, int] = defaultdict(int)
    for app in apps:
        turns.add(AppId(app), (app, places[app]))
        places[app] += 1
    assert sorted(turns) == sorted((app, place) for app, count in places.items() for place in range(count))
    taken = []
    while turns:
        taken.append(turns.take())
    assert [place for _, place in taken] == sorted(place for _, place in taken)
    for app, count in places.items():
        assert [place for taken_app, place in taken if taken_app == app] == list(range(count))


def test_those_who_waited_longest_stand_first_again() -> None:
    """What is put first comes before the app's line, in its order, whether there is a line or not."""
    turns: Turns[str] = Turns()
    turns.add(AppId(1), "c")
    turns.add_first(AppId(1), ["a", "b"])
    turns.add_first(AppId(2), ["x"])
    turns.add_first(AppId(3), [])
    assert [turns.take() for _ in range(4)] == ["a", "x", "b", "c"]
    assert not turns
