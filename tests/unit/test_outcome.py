"""What becomes of a task, for every outcome."""

import pytest

from celeriac.errors import (
    MaxRetriesExceededError,
    Rejected,
    Retry,
    TaskExpired,
    TaskRevokedError,
    TimeLimitExceeded,
    WorkerLostError,
)
from celeriac.message import Delivery
from celeriac.outcome import (
    EXPIRED,
    LEASE_LOST,
    PURGED,
    REJECT_PAUSE,
    REVOKED,
    ChildLost,
    ErrorInfo,
    Failure,
    Outcome,
    RejectAsked,
    RetryAsked,
    Revoked,
    Settlement,
    Stopped,
    Success,
    TimedOut,
    decide,
    decode_error,
)
from celeriac.retry import RetryPolicy
from celeriac.states import Verdict

NOW = 1_000.0
BROKEN = ErrorInfo.of(ValueError("broken"))


def decided(outcome: Outcome, *, retries: int = 0, policy: RetryPolicy | None = None, **facts) -> Settlement:
    delivery = Delivery("id-1", "shop.add", "default", 0, b"", b"", 7, retries, 0, 3, b"")
    policy = policy or RetryPolicy(max_retries=3, delay=60.0)
    settlement = decide(delivery, outcome, **{"policy": policy, "now": NOW, "chance": 0.5, **facts})
    assert (settlement.id, settlement.fence) == ("id-1", 7)
    return settlement


def error_in(settlement: Settlement) -> BaseException:
    return decode_error(settlement.body).rebuild()


def what(settlement: Settlement) -> tuple[Verdict, float]:
    return settlement.verdict, settlement.due


def test_success_keeps_the_result():
    settlement = decided(Success(b"[1]"))

    assert (what(settlement), settlement.body) == ((Verdict.SUCCEEDED, 0.0), b"[1]")


def test_a_failure_keeps_the_error():
    settlement = decided(Failure(BROKEN))

    assert what(settlement) == (Verdict.FAILED, 0.0)
    assert decode_error(settlement.body) == BROKEN


def test_a_failure_that_the_policy_wants_retried_is_retried_after_the_delay():
    settlement = decided(Failure(BROKEN, retryable=True))

    assert what(settlement) == (Verdict.RETRY, NOW + 60.0)
    assert decode_error(settlement.body) == BROKEN


def test_a_backoff_sets_when():
    policy = RetryPolicy(backoff=4.0, max_retries=9)

    assert decided(Failure(BROKEN, retryable=True), retries=2, policy=policy).due == NOW + 8.0


def test_the_last_failure_is_the_tasks_own_error():
    settlement = decided(Failure(BROKEN, retryable=True), retries=3)

    assert what(settlement) == (Verdict.FAILED, 0.0)
    assert decode_error(settlement.body) == BROKEN


@pytest.mark.parametrize(
    ("retries", "most", "limit", "verdict"),
    [
        (2, 3, None, Verdict.RETRY),
        (3, 3, None, Verdict.FAILED),
        (99, None, None, Verdict.RETRY),
        (3, 3, 5, Verdict.RETRY),
        (1, 3, 1, Verdict.FAILED),
        (0, 0, None, Verdict.FAILED),
    ],
)
@pytest.mark.parametrize(
    "outcome", [Failure(BROKEN, retryable=True), RetryAsked(BROKEN)], ids=["auto", "asked"]
)
def test_the_messages_own_limit_has_the_last_word(outcome, retries, most, limit, verdict):
    policy = RetryPolicy(max_retries=most)

    assert decided(outcome, retries=retries, policy=policy, limit=limit).verdict is verdict


def test_a_retry_that_the_task_asked_for_comes_after_its_delay():
    assert what(decided(RetryAsked(BROKEN))) == (Verdict.RETRY, NOW + 60.0)


def test_a_retry_comes_when_the_task_said():
    assert decided(RetryAsked(BROKEN, after=5.0)).due == NOW + 5.0
    assert decided(RetryAsked(BROKEN, after=0.0)).due == NOW
    assert decided(RetryAsked(BROKEN, after=-5.0)).due == NOW
    assert decided(RetryAsked(BROKEN, at=2_000.0)).due == 2_000.0
    assert decided(RetryAsked(BROKEN, at=500.0)).due == 500.0


def test_a_retry_may_bring_its_own_limit():
    assert decided(RetryAsked(BROKEN, max_retries=9), retries=5).verdict is Verdict.RETRY
    assert decided(RetryAsked(BROKEN, max_retries=1), retries=1, limit=9).verdict is Verdict.FAILED


def test_when_no_retry_is_left_the_error_behind_it_is_the_tasks():
    assert decode_error(decided(RetryAsked(BROKEN), retries=3).body) == BROKEN


def test_when_no_retry_is_left_and_there_was_no_error_it_is_said_so():
    asked = RetryAsked(ErrorInfo.of(Retry("the shop is closed")))

    error = error_in(decided(asked, retries=3))

    assert isinstance(error, MaxRetriesExceededError)
    assert str(error) == "no retry left after 3: the shop is closed"


def test_a_foreign_error_that_is_also_called_retry_is_left_as_it_is():
    asked = RetryAsked(ErrorInfo("shop.errors.Retry", "their own"))

    assert decode_error(decided(asked, retries=3).body).type == "shop.errors.Retry"


def test_a_reject_fails_the_task():
    settlement = decided(RejectAsked("no stock", requeue=False))

    assert what(settlement) == (Verdict.FAILED, 0.0)
    assert (type(error_in(settlement)), str(error_in(settlement))) == (Rejected, "no stock")
    assert str(error_in(decided(RejectAsked("", requeue=False))))


def test_a_reject_with_requeue_puts_it_back_uncounted_a_little_later():
    settlement = decided(RejectAsked("no stock", requeue=True), retries=3)

    assert what(settlement) == (Verdict.RELEASE, NOW + REJECT_PAUSE)
    assert REJECT_PAUSE > 0


def test_a_stopped_task_goes_back_to_the_head():
    assert what(decided(Stopped())) == (Verdict.RELEASE, 0.0)


def test_a_revoked_task_is_cancelled():
    settlement = decided(Revoked())

    assert what(settlement) == (Verdict.CANCELLED, 0.0)
    assert isinstance(error_in(settlement), TaskRevokedError)


def test_a_task_that_ran_too_long_has_failed():
    settlement = decided(TimedOut(2.5))

    assert what(settlement) == (Verdict.FAILED, 0.0)
    assert isinstance(error_in(settlement), TimeLimitExceeded)
    assert "2.5 s" in str(error_in(settlement))


def test_a_task_whose_process_died_has_crashed():
    settlement = decided(ChildLost("killed by signal 9"))

    assert what(settlement) == (Verdict.CRASHED, 0.0)
    assert isinstance(error_in(settlement), WorkerLostError)
    assert "signal 9" in str(error_in(settlement))


@pytest.mark.parametrize(
    "outcome",
    [
        Success(b""),
        Stopped(),
        Revoked(),
        TimedOut(1.0),
        ChildLost("x"),
        RejectAsked("x", False),
        Failure(BROKEN),
    ],
    ids=lambda outcome: type(outcome).__name__,
)
@pytest.mark.parametrize("policy", [RetryPolicy(max_retries=None), RetryPolicy(max_retries=0)])
def test_only_what_was_asked_for_is_retried(outcome, policy):
    assert decided(outcome, policy=policy).verdict is not Verdict.RETRY


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (EXPIRED, TaskExpired),
        (REVOKED, TaskRevokedError),
        (PURGED, TaskRevokedError),
        (LEASE_LOST, WorkerLostError),
    ],
)
def test_what_a_store_writes_on_its_own_account_can_be_raised(body, kind):
    assert type(decode_error(body).rebuild()) is kind
