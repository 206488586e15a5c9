"""`command` and what a heartbeat tells: each worker hears what it is told until it says that it has."""

from celeriac.steering import MOST_COMMANDS, Command, Pulse


def told(broker, clock, worker, heard=0):
    """What a worker is told to do when its pulse says that it has heard all up to a number."""
    pulses = {worker.id: Pulse(heard=heard)}
    return list(broker.heartbeat([worker.id], clock.now(), pulses).commands.get(worker.id, ()))


def words(commands):
    return [(command.verb, command.task) for command in commands]


def test_a_command_comes_with_the_next_heartbeat_of_each_worker_that_is_known(broker, clock, enlist):
    first, second = enlist("worker-a"), enlist("worker-b")

    known = broker.command([first.id, "nobody", second.id], Command("drain"), clock.now())

    assert known == [True, False, True]
    assert words(told(broker, clock, first)) == words(told(broker, clock, second)) == [("drain", "")]


def test_commands_come_in_their_order_with_rising_numbers(broker, clock, enlist):
    worker = enlist()
    for command in (Command("drain"), Command("stack", "task-1"), Command("resume")):
        broker.command([worker.id], command, clock.now())

    found = told(broker, clock, worker)

    assert words(found) == [("drain", ""), ("stack", "task-1"), ("resume", "")]
    numbers = [command.number for command in found]
    assert numbers == sorted(set(numbers))
    assert numbers[0] > 0


def test_a_command_is_told_again_until_it_was_heard_so_that_no_lost_answer_loses_it(broker, clock, enlist):
    worker = enlist()
    broker.command([worker.id], Command("drain"), clock.now())
    [first] = told(broker, clock, worker)
    broker.command([worker.id], Command("stop"), clock.now())

    again = told(broker, clock, worker)
    later = told(broker, clock, worker, heard=first.number)
    last = told(broker, clock, worker, heard=later[-1].number)

    assert words(again) == [("drain", ""), ("stop", "")]
    assert words(later) == [("stop", "")]
    assert last == []


def test_what_was_told_after_all_was_heard_has_a_number_above(broker, clock, enlist):
    worker = enlist()
    broker.command([worker.id], Command("drain"), clock.now())
    [heard] = told(broker, clock, worker)
    told(broker, clock, worker, heard=heard.number)

    broker.command([worker.id], Command("resume"), clock.now())

    [new] = told(broker, clock, worker, heard=heard.number)
    assert new.number > heard.number


def test_a_heartbeat_without_a_pulse_has_heard_nothing(broker, clock, enlist):
    worker = enlist()
    broker.command([worker.id], Command("stop"), clock.now())

    beat = broker.heartbeat([worker.id], clock.now())

    assert words(beat.commands[worker.id]) == [("stop", "")]


def test_commands_end_with_the_worker(broker, clock, enlist):
    worker = enlist()
    broker.command([worker.id], Command("stop"), clock.now())
    broker.retire([worker.id], clock.now())

    again = enlist(worker.id)

    assert told(broker, clock, again) == []
    assert broker.command(["worker-b"], Command("stop"), clock.now()) == [False]


def test_of_many_that_nobody_hears_the_newest_are_kept(broker, clock, enlist):
    worker = enlist()
    for number in range(MOST_COMMANDS + 5):
        broker.command([worker.id], Command("stack", f"task-{number}"), clock.now())

    found = told(broker, clock, worker)

    assert len(found) == MOST_COMMANDS
    assert found[-1].task == f"task-{MOST_COMMANDS + 4}"


def test_a_pulse_is_shown_with_the_worker_until_the_next_one(broker, clock, enlist):
    worker = enlist()
    before = broker.workers(clock.now())[0]
    broker.heartbeat(
        [worker.id], clock.now(), {worker.id: Pulse(memory=5_000_000, cpu=1.5, done=7, lag=0.25)}
    )
    first = broker.workers(clock.now())[0]

    broker.heartbeat([worker.id], clock.now(), {worker.id: Pulse(memory=6_000_000, done=9, draining=True)})
    broker.heartbeat([worker.id], clock.now())

    second = broker.workers(clock.now())[0]
    assert (before.memory, before.cpu, before.done, before.lag, before.draining) == (
        None,
        None,
        0,
        None,
        False,
    )
    assert (first.memory, first.cpu, first.done, first.lag, first.draining) == (
        5_000_000,
        1.5,
        7,
        0.25,
        False,
    )
    assert (second.memory, second.cpu, second.done, second.lag) == (6_000_000, None, 9, None)
    assert second.draining


def test_a_pulse_of_a_worker_that_is_gone_brings_it_not_back(broker, clock, enlist):
    worker = enlist()
    broker.retire([worker.id], clock.now())

    beat = broker.heartbeat([worker.id], clock.now(), {worker.id: Pulse(done=3)})

    assert list(beat.lost) == [worker.id]
    assert broker.workers(clock.now()) == []
