"""Many stories on each store; that bugs would be found, and told in short; and stories that once went wrong.

A story that fails here is told by `python -m tests.simulation --store … --from SEED --seeds 1`. What that
prints last goes into `REGRESSIONS`, under a name that says what went wrong.
"""

import pytest
from msgspec.structs import replace

from celeriac.brokers.memory import MemoryBroker
from celeriac.brokers.sqlite import SqliteBroker
from tests.simulation.stores import STORES
from tests.simulation.story import a_story, play, replayed, shortest, told

TOGETHER = {"memory": 250, "sqlite": 25}  # stories in one test
TESTS = 8  # on each store
PATIENCE = 900  # seconds: a test takes some 15 of processor time, and others may have the processor
KINDS = {"memory": MemoryBroker, "sqlite": SqliteBroker}

# What went wrong: the store, the seed, and the steps that are left of its story.
# fmt: off
REGRESSIONS: dict[str, tuple[str, int, list]] = {
    "a batch says something for a call of it that was revoked": ("memory", 7006430, [
        1020155227, (228078056, False), (502114566, False), 281184312, 462340215, 2914686284,
        2155673146, 1932522008, 2385407313, 481095286, (2753200570, False), 104260672, 1373519318,
        417221883, 168917823, 4276744752, 3751838789, (1368011153, False), (2749033754, False),
        (3604264698, False), 1782278373, (2419724041, False), (2068003842, False), 741000553,
        1326502784, 499359559, (2771887861, False), 3902571939, 1956116683, 651261986, (494792006,
        False), (578639860, False), 147939665, 2729396675
    ]),
    "a heartbeat that comes late shortens a lease": ("memory", 1972, [
        3889152351, 1272044648, 2836149762, 502295082, 69725329, 3803932947, 1361469120, 3008971470,
        (1611592525, False), (1814177860, False), 1867203606, 1282074760, 389166176, 859415985,
        228509659, 902981021, 3599233755, 516219255, 91362157, (321141658, False), (1230967005,
        False), (2086754700, False), (92356217, False), (2484860498, False), 144899978, 480749850,
        3442315256, 1932158867, (865231424, False), (315338093, False), (390472750, False),
        (4229110823, False), (5167377, False), (601678321, False), (2244171085, False), (1283331225,
        False), 3761482995, (970708277, False), (805625027, False), (482422162, False), (4159207739,
        False), (1741485232, False), (3966508352, False), (510712387, False), 4275879685
    ]),
    "a task that was written off says something more": ("memory", 2002380, [
        91910907, 93045984, 1077205081, 2486059026, 514411974, 3789979685, 2525270658, 1669919838,
        306339210, 2385395250, 3981835374, 3578794013, 1144729355, 737100364, 1700414200, 2933035615,
        2353459369, 3399148696, 998937498, 3465257377, 3152650370, 861062971, 240332818, 3843597170,
        3054148403, 2152866780, 640271505, 1627391303, 1790241889, 3987061804, 3866413419, 2675854760,
        2991232255, 2107286402, 367943855, 3807370738, 2194774533, 3428847245, 3234765258, 3727352776,
        2507123007, 294719261, 3251171607, 216393683, 4090237599, 1312098706, 3462351896, 1151641349
    ]),
    "a late copy of an idle trip comes after the end of its worker": ("sqlite", 6000346, [
        2945666720, 4242441483, 3221264025, 1370631455, 3919095075, 2389053214, 1105237413, 3740093979,
        2592406721, 2684992139, 809569514, 1513057671, 1283757475, 3484411207, 3477179631, 1192159687,
        3358976664, 2335694502, 320096972, 899303385, 1139999116, 1051568928, 1409453910, 3998471957,
        579165297, 4059655362, 1576005827, 1234403879, 837887357, 1443675142, 1735822637, 2539917019,
        2762757212, 3723554259, 3206702568, 4014851278, 1756001692, 261833798, 2540338743, 1374064453,
        572889910, 1786488449, 2678577715, 1153286052, 2472487019, 3823567472, 843749893, 2526043557,
        2288561560, 3169306526, 3137558683, 121060081, 1061155299, 192827558, 2129743815, 3965489530,
        3137905445, 242658958, 4231837765, 1523750038, 1946521359, 1891352544, 3605582995, 1894197693,
        451297474, 196476595, 421624680, 2828548915, 3863551709, 3227125021, 777925306, 1859440809,
        266725815, 1071438938, 472647732, 660246046, 2002235603, 3949772852, 2778896274, 2359467346,
        17482068, 2267486153, 1296853635, 688299159, 372560383, 1627966822, 1395799797, 2688361896,
        74542611, 583320280, 1079496404, 3180118550, 4192422042, 223409170, 1866376895, 498984902,
        2029212053, 3105574387, 661487203, 3223276369, 1821766934, 636812653, 3742545050, 1086247190,
        1756422145, 2575907748, 1253100308, 1710059265, 2345911606, 2048369182, 1667054851, 1808157393,
        3513837092, 1939065702, 2112420815, 1347321573, 1947441950, 1374510293, 3701123709, 3998787606,
        439134390, 2109073452, 2818671877, 1306675859, 1041586978, 920662583, 1554008677
    ]),
    "a call of a batch that a stopping worker has claimed is interrupted": ("memory", 5004685, [
        3112140755, (2184597626, False), 3719162908, 3557433881, 161935512, 2177480895, (2562769158,
        False), 1731037557, 4168956340, (3243103964, False), (391517152, False), 1468325445,
        (3389300456, False), 3055484756, 4037342979, (2776336063, False), 1649582334, (3663794494,
        False), (889402881, False), (3121188005, False), (407508252, False), (1169781018, False),
        (4203426879, False), (2501624837, False), (2821788716, False), 3755081057, (1924621528, False),
        (107465395, False), (689917566, False), (1677157120, False), (3677738103, False), (2664340936,
        False), (3145243727, False), (2366319446, False), (3530284076, False), (975483707, False),
        845707823, 3578962829, (3396193209, False), 241590131, (1834944704, False), (4120947757, False),
        (483748044, False), (1723470796, False), (3857755996, False), (1286077394, False), (4153361336,
        False), (2585335167, False), 3152276643, 3485777125, 3366835585, (397977369, False),
        (3844481160, False), (295509364, False), (409048121, False), (3554123243, False), (3737415261,
        False), (4067620060, False), 705914472, 213699933, 1235658479, 4087218046, 3409541189,
        3771051299, 707755616, (3292305178, False), (4130151554, False), (3393415514, False),
        (569265449, False), (819105416, False), (459718695, False), (418272969, False), (1263462252,
        False), 3403693311, (3746390090, False), (1546861561, False), 904320555, 688378440, (4115901079,
        False), (380372479, False), (3682101929, False), (3618298224, False), (632130050, False),
        (3002229874, False), (426125233, False), (2062704677, False), (369311583, False), (3130393343,
        False), (656892160, False), (1929415523, False), (2437297122, False), (3184612934, False),
        (922941829, False), (416074826, False), (3835007409, False), (3227352242, False), (3300512178,
        False), 861944212, 861919918, 1419993093, (1363410469, False), (3857341762, False), (2179013497,
        False), (1303470678, False), (1914156093, False), (317878378, False), (230226112, False),
        (3250199370, False), (735119718, False), (4086809318, False), (3309822011, False), (2577276509,
        False), (344725780, False), (3838100525, False), (1392895548, False), (2770111912, False),
        (3407371690, False), (2520411514, False), (4170640750, False), (1779891383, False), (3412067659,
        False), (357726964, False), (2325547657, False), (1766629270, False), (3454909305, False),
        (4218128059, False), (786617929, False), (3561054533, False), (483198558, False), 4244389953,
        3594173801, 2376421501, 2005446155, 2725397375, 3834723506, 3966014674, (2129075301, False),
        (330781660, False), (1129852630, False), (3116784383, False)
    ]),
}
# fmt: on


@pytest.mark.timeout(PATIENCE)
@pytest.mark.parametrize("part", range(TESTS))
@pytest.mark.parametrize("store", STORES)
def test_whatever_goes_wrong_everything_that_was_accepted_ends_as_promised(store, part):
    count = TOGETHER[store]

    for seed in range(1 + part * count, 1 + (part + 1) * count):
        end = play(a_story(store, seed))

        assert not end.broken, f"seed {seed} on {store}: {end.broken}"


def test_what_once_went_wrong_goes_well():
    ends = {name: play(replayed(*story)).broken for name, story in REGRESSIONS.items()}

    assert not any(ends.values()), ends


@pytest.mark.parametrize("store", STORES)
def test_a_seed_tells_the_same_story_again(store):
    assert play(a_story(store, 7)) == play(a_story(store, 7))


# --- bugs, made on purpose ---------------------------------------------------------------------------------


class LosesSettlements:
    """Now and then a trip does not bring the last settlement."""

    def exchange(self, worker, *, trip, finished=(), **rules):
        some = finished[:-1] if trip % 5 == 0 else finished
        return super().exchange(worker, trip=trip, finished=some, **rules)


class LeavesTheDead:
    """What dead workers held stays with them."""

    def retire(self, workers, now, error=b""):
        return 0


class ForgetsTrips:
    """A trip that is asked for again is a new one."""

    def exchange(self, worker, *, trip, **rules):
        self.made = getattr(self, "made", 0) + 1
        return super().exchange(worker, trip=self.made, **rules)


class KnowsNoRevocation:
    """Whoever revokes is told that it is done, and it is not."""

    def cancel(self, ids, now, **options):
        return ["cancelled" for _ in ids]


class LosesLines:
    """What is said last is not kept."""

    def write_log(self, worker, lines, now):
        return super().write_log(worker, lines[:-1], now)


class CountsTwice:
    """Now and then what was counted is added again, as if somebody else had said so."""

    def count(self, teller, number, tallies, now):
        super().count(f"{teller}.", number, tallies, now)
        return super().count(teller, number, tallies, now)


class TellsNobody:
    """Commands are taken, and told to no one."""

    def heartbeat(self, workers, now, pulses=None):
        return replace(super().heartbeat(workers, now, pulses or {}), commands={})


class OverlooksSome:
    """The first one of what is looked for is not found."""

    def find(self, criteria, after="", count=100, limit=10_000):
        page = super().find(criteria, after, count, limit)
        return replace(page, records=page.records[1:], places=page.places[1:])


BUGS = (
    *(LosesSettlements, LeavesTheDead, ForgetsTrips, KnowsNoRevocation),
    *(LosesLines, CountsTwice, TellsNobody, OverlooksSome),
)


@pytest.mark.timeout(PATIENCE)
@pytest.mark.parametrize("bug", BUGS)
@pytest.mark.parametrize("store", STORES)
def test_a_bug_in_a_store_is_found(store, bug):
    kind = type(bug.__name__, (bug, KINDS[store]), {})

    stories = (play(a_story(store, seed, kind)).broken for seed in range(1, 40))
    broken = next(filter(None, stories), "")

    assert broken
    assert "TypeError" not in broken  # that would be a mistake in the bug


@pytest.mark.timeout(PATIENCE)
def test_a_story_that_fails_is_told_in_a_few_steps_that_fail_again():
    kind = type("Broken", (LeavesTheDead, MemoryBroker), {})
    stories = (a_story("memory", seed, kind) for seed in range(1, 40))
    story = next(story for story in stories if play(story).broken)

    short = shortest(story, patience=20.0)

    end = play(short)
    assert end.broken
    assert len(short.steps) <= len(story.steps) / 2
    assert f"seed {story.seed} on memory" in told(short, end)
