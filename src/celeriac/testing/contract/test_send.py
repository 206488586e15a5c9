"""`send`: all or none, repeatable by id, to the tail of its queue or to its time."""

from celeriac.message import Message
from celeriac.states import State
from celeriac.testing.contract.given import (
    EVERY_BYTE,
    a_message,
    counts_of,
    given_finished,
    ids,
    in_threads,
    messages,
    record_of,
    state_of,
    succeeded,
    together,
)


def test_a_sent_task_is_queued_and_its_record_holds_all_that_was_sent(broker, clock):
    message = Message(
        id="every-field",
        name="shop.mail",
        queue="letters",
        priority=7,
        created=1_500_000_000.25,
        payload=EVERY_BYTE,
        eta=clock.now() - 60.5,
        expires=clock.now() + 60.5,
        crash_limit=5,
        options=EVERY_BYTE[::-1],
    )

    assert broker.send([message], clock.now()) == 1

    record = record_of(broker, message)
    assert record.message == message
    assert (record.state, record.due, record.outside) == (State.QUEUED, None, "PENDING")
    assert (record.fence, record.retries, record.crashes, record.worker) == (0, 0, 0, "")
    assert (record.started, record.finished, record.cancelled, record.custom) == (None, None, False, "")
    assert (record.meta, record.result, record.error, record.checkpoint) == (b"", b"", b"", b"")


def test_what_was_left_out_of_a_message_stays_left_out(broker, clock):
    message = Message("plain", "shop.add")

    broker.send([message], clock.now())

    assert record_of(broker, message).message == message


def test_sending_nothing_is_allowed(broker, clock):
    assert broker.send([], clock.now()) == 0


def test_a_message_that_is_sent_twice_is_one_task(broker, clock, enlist):
    message = a_message()

    assert broker.send([message], clock.now()) == 1
    assert broker.send([message], clock.now()) == 0

    assert ids(enlist().claim_all()) == [message.id]


def test_sending_again_tells_the_new_from_the_known(broker, clock, enlist):
    first, second, third = messages(3)
    broker.send([first, second], clock.now())

    assert broker.send([first, third, second], clock.now()) == 1

    assert ids(enlist().claim_all()) == [first.id, second.id, third.id]


def test_another_message_with_a_known_id_changes_nothing(broker, clock):
    known = a_message(payload=b"[[1],{}]")
    broker.send([known], clock.now())
    before = record_of(broker, known)

    broker.send([a_message(id=known.id, payload=b"[[2],{}]", queue="other", priority=9)], clock.now())

    assert record_of(broker, known) == before
    assert counts_of(broker, "other") == (0, 0, 0, 0)


def test_a_finished_task_is_not_begun_anew_by_sending_it_again(broker, clock, enlist):
    task = given_finished(broker, clock)

    assert broker.send([a_message(id=task.id)], clock.now()) == 0

    assert state_of(broker, task) is State.SUCCEEDED
    assert enlist("worker-b").claim() == []


def test_of_two_messages_with_one_id_in_a_batch_the_first_counts_and_keeps_its_place(broker, clock, enlist):
    first, second = messages(2)
    again = a_message(id=first.id, payload=b"[[2],{}]")

    assert broker.send([first, second, again], clock.now()) == 2

    claims = enlist().claim_all()
    assert ids(claims) == [first.id, second.id]
    assert claims[0].payload == first.payload


def test_a_later_eta_schedules_a_task_for_that_time(broker, clock):
    message = a_message(eta=clock.now() + 90)

    broker.send([message], clock.now())

    record = record_of(broker, message)
    assert record.state is State.SCHEDULED
    assert abs(record.due - message.eta) < 0.5
    assert record.message.eta == message.eta
    assert counts_of(broker) == (0, 1, 0, 0)


def test_an_eta_that_has_come_or_passed_queues_a_task_at_once(broker, clock):
    past, present = a_message(eta=clock.now() - 1), a_message(eta=clock.now())

    broker.send([past, present], clock.now())

    assert counts_of(broker) == (2, 0, 0, 0)


def test_tasks_are_queued_in_the_order_of_sending_over_many_batches(broker, clock, enlist):
    batches = [messages(3), messages(1), messages(4)]

    for batch in batches:
        broker.send(batch[::-1], clock.now())

    assert ids(enlist().claim_all()) == [sent.id for batch in batches for sent in batch[::-1]]


def test_a_batch_of_ten_thousand_is_seen_whole_or_not_at_all(broker, other, clock):
    batch = messages(10_000)
    seen = set()

    def look():
        while 10_000 not in seen:
            seen.add(counts_of(other)[0])

    with in_threads(look):
        assert broker.send(batch, clock.now()) == 10_000

    assert seen <= {0, 10_000}
    assert all(broker.get(ids(batch)))


def test_a_payload_of_five_megabytes_survives(broker, clock, enlist):
    payload = b'[["' + b"x" * 5_000_000 + b'"],{}]'
    message = a_message(payload=payload)

    broker.send([message], clock.now())

    worker = enlist()
    [task] = worker.claim()
    assert task.payload == payload
    assert worker.settles(succeeded(task, payload))
    record = record_of(broker, message)
    assert record.message.payload == payload
    assert record.result == payload


def test_many_threads_that_send_at_once_lose_nothing(broker, clock, enlist):
    batches = [messages(20) for _ in range(8)]

    together(*(lambda batch=batch: [broker.send([each], clock.now()) for each in batch] for batch in batches))

    claimed = ids(enlist().claim_all())
    assert sorted(claimed) == sorted(sent.id for batch in batches for sent in batch)
    for batch in batches:  # and each thread's own order is kept
        assert [each for each in claimed if each in ids(batch)] == ids(batch)


def test_two_processes_that_send_the_same_at_once_make_one_task_each(broker, other, clock, enlist):
    batch = messages(40)
    new = []

    together(
        lambda: new.extend(broker.send([each], clock.now()) for each in batch),
        lambda: new.extend(other.send([each], clock.now()) for each in reversed(batch)),
    )

    assert sum(new) == 40
    assert sorted(ids(enlist().claim_all())) == sorted(ids(batch))


HOSTILE_IDS = (
    *("a", "A", "a:b", "a:b:c", ":", "::", ".", "..", "...", "a..b", "@", "a@b", "~", "=", "+", "-", "--"),
    *("_", "0", "00", "1", "-1", "1e3", "nan", "null", "None", "true", "é", "É", "日本語", "ß", "ſ", "Ⅷ"),
    *("ID", "ıd", "ready", "due", "worker-a", "task", "default", "shop.add", "x" * 128, "界" * 128),
)


def test_ids_of_every_allowed_kind_stay_apart(broker, clock, enlist):
    batch = [a_message(id=each, payload=b"%d" % place) for place, each in enumerate(HOSTILE_IDS)]
    worker = enlist()

    assert broker.send(batch, clock.now()) == len(batch)

    tasks = worker.claim_all()
    assert [(task.id, task.payload) for task in tasks] == [(sent.id, sent.payload) for sent in batch]
    assert worker.settles(*(succeeded(task, task.payload) for task in tasks))
    assert [record.result for record in broker.get(HOSTILE_IDS)] == [sent.payload for sent in batch]


HOSTILE_QUEUES = ("a", "A", "a:1", "a:9", "a:1:9", ":", "..", "@", "é", "日本語", "due", "ready", "q" * 128)


def test_queues_of_every_allowed_name_stay_apart(broker, clock, enlist):
    batch = [a_message(queue=queue, priority=priority) for queue in HOSTILE_QUEUES for priority in (0, 1, 9)]

    broker.send(batch, clock.now())

    assert [info.name for info in broker.queues()] == sorted(HOSTILE_QUEUES)
    for number, queue in enumerate(HOSTILE_QUEUES):
        tasks = enlist(f"worker-{number}", queues=(queue,)).claim_all()
        assert [(task.queue, task.priority) for task in tasks] == [(queue, 9), (queue, 1), (queue, 0)]


HOSTILE_NAMES = ("a", "A", "a:b", "a.b", "a/b", "../b", "<lambda>", "f.<locals>.g", "@", "é", "界", "n" * 255)


def test_task_names_of_every_allowed_kind_stay_apart(broker, clock, enlist):
    batch = [a_message(name=name) for name in HOSTILE_NAMES]
    broker.send(batch, clock.now())
    assert enlist("nobody", names=()).claim_all() == []  # all are parked now

    for number, name in enumerate(HOSTILE_NAMES):
        tasks = enlist(f"worker-{number}", names=(name,)).claim_all()
        assert [task.name for task in tasks] == [name]


def test_workers_of_every_allowed_id_stay_apart(broker, clock, enlist):
    workers = [enlist(each) for each in HOSTILE_IDS]
    broker.send(messages(len(workers)), clock.now())
    held = [worker.claim()[0] for worker in workers]

    assert [info.id for info in broker.workers(clock.now())] == sorted(HOSTILE_IDS)
    for worker, task in zip(workers, held, strict=True):
        assert worker.has(task)
