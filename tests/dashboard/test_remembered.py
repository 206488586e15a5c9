import pytest

from celeriac.dashboard.remembered import CHEAP, LONGEST, MOST, TIMES, Remembered


class Asked:
    """Answers with a number that rises, and costs so much each time."""

    def __init__(self) -> None:
        self.now = self.spent = 0.0
        self.cost = 2 * CHEAP
        self.times = 0
        self.remembered = Remembered(clock=lambda: self.now, spent=lambda: self.spent)

    def __call__(self) -> int:
        self.spent += self.cost
        self.times += 1
        return self.times

    def of(self, key: str = "queues") -> int:
        return self.remembered.of(key, self)


@pytest.fixture
def asked() -> Asked:
    return Asked()


def test_what_costs_little_is_asked_for_each_time(asked):
    asked.cost = CHEAP / 2

    assert [asked.of(), asked.of()] == [1, 2]


def test_what_costs_much_stays_good_for_as_long_as_it_is_worth(asked):
    first = asked.of()
    asked.now = TIMES * asked.cost * 0.99
    again = asked.of()
    asked.now = TIMES * asked.cost * 1.01
    later = asked.of()

    assert (first, again, later) == (1, 1, 2)


def test_nothing_is_older_than_a_few_seconds(asked):
    asked.cost = 100.0
    asked.of()
    asked.now = LONGEST

    assert asked.of() == 2


def test_after_a_change_everything_is_asked_for_anew(asked):
    asked.of()
    asked.remembered.forget()

    assert asked.of() == 2


def test_different_questions_have_different_answers(asked):
    assert [asked.of("queues"), asked.of("failures"), asked.of("queues")] == [1, 2, 1]


def test_no_more_answers_are_kept_than_a_few(asked):
    for number in range(MOST + 1):
        asked.of(str(number))

    assert (asked.of("0"), asked.times) == (MOST + 2, MOST + 2)


def test_an_error_is_not_kept(asked):
    def away() -> int:
        raise OSError("away")

    with pytest.raises(OSError, match="away"):
        asked.remembered.of("queues", away)

    assert asked.of() == 1
