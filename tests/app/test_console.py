"""Progress where there is no terminal: lines for what takes a second, silence for the rest."""

from scanwise.app import console


def lines_of(monkeypatch, capsys, *calls: tuple[float, str, float]) -> list[str]:
    """What is printed of (seconds since the start, stage, share done)."""
    clock = [0.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: clock[0])
    show = console._Lines()
    for now, stage, done in calls:
        clock[0] = now
        show(stage, done)
    return capsys.readouterr().err.splitlines()


def test_what_is_quick_says_nothing(monkeypatch, capsys):
    assert lines_of(monkeypatch, capsys, (0, "geometry", 0), (0.4, "geometry", 1)) == []


def test_what_took_a_second_is_told_when_it_ends(monkeypatch, capsys):
    assert lines_of(monkeypatch, capsys, (0, "shapes", 0), (3, "shapes", 1)) == ["shapes: 100 % after 3 s"]


def test_long_work_is_told_at_once_and_every_ten_seconds(monkeypatch, capsys):
    calls = [(float(second), "lifting", second / 30) for second in range(31)]
    assert lines_of(monkeypatch, capsys, *calls) == [
        "lifting: 3 % after 1 s", "lifting: 37 % after 11 s", "lifting: 70 % after 21 s", "lifting: 100 % after 30 s",
    ]  # fmt: skip
