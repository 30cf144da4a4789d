"""The forty behaviours and the two releases that ship with them, against a table typed here."""

from collections import Counter
from datetime import datetime
from fractions import Fraction
from hashlib import sha256
from importlib.resources import files

import pytest

from tests.methodology.files import shipped
from vault.errors import BadMethodology, OutOfBounds
from vault.methodology.behaviour import Behaviour, Evidence
from vault.methodology.check import read_behaviour
from vault.methodology.formula import Difference, MeteredBaseline, Zero
from vault.methodology.quantify import Act, Credit, quantify
from vault.methodology.release import Release, load_release, read_release
from vault.months import Category, Milligrams

OPENING = load_release("2026-1")
SEASON = load_release("beijing-season-2022")
RELEASES = [OPENING, SEASON, load_release("demo-1")]
LISTED = {"N": "named", "S": "handbook", "R": "reconstructed"}
CATALOGUE = """
clothing.reuse_recycle N B
clothing.second_hand R B
clothing.rental R Z
food.clean_plate S Z
food.plant_based N B
food.no_cutlery S A
food.small_portion N Z
food.green_box N Z
home.save_electricity R B
home.water_tap N B
home.renewables N B
home.waste_sorting N Z
home.hotel_no_disposables R Z
travel.walk R Z
travel.bike N A
travel.ebike R A
travel.bus N A
travel.metro N A
travel.carpool R B
travel.nev_drive N B
travel.ev_charge S A
travel.stop_driving N Z
travel.etc N Z
use.own_cup N Z
use.own_bag R A
use.efficient_appliance S B
use.e_waybill S A
use.box_return R A
use.second_hand R B
use.appliance_recycle R Z
use.toy_rental N Z
use.less_disposables N Z
use.swap R B
office.shared_space N Z
office.video_meeting R Z
office.paperless R Z
fin.online_bill R Z
fin.e_statement R Z
fin.e_receipt N Z
fin.online_medical N Z
"""
TABLE = {name: (listed, tier) for name, listed, tier in map(str.split, CATALOGUE.split("\n")[1:-1])}
CREDITED = {name for name, (_, tier) in TABLE.items() if tier == "A"}
TRIPS = {"travel.walk", "travel.bike", "travel.ebike", "travel.bus", "travel.metro"} | {
    "travel.carpool",
    "travel.nev_drive",
}
JANUARY = 1767571200  # 2026-01-05T08:00:00+08:00
FEBRUARY = 1769990400  # 2026-02-02T08:00:00+08:00, when the grid factor of January counts
SHELF = {
    entry.name: entry.read_bytes()
    for entry in files("vault.methodology").joinpath("behaviours").iterdir()
}
BEHAVIOURS = {name: read_behaviour(file) for name, file in SHELF.items()}
everywhere = pytest.mark.parametrize("behaviour", BEHAVIOURS.values(), ids=BEHAVIOURS)


def counted(
    release: Release,
    behaviour: str,
    region: str,
    activity: dict[str, int],
    start: int = JANUARY,
    evidence: Evidence = "E4",
) -> Credit:
    end = start + activity.get("s", 0)
    return quantify(Act(behaviour, activity, start, end, region, evidence), release)


def test_the_table_has_forty_behaviours_of_the_numbers_known() -> None:
    assert len(TABLE) == 40
    assert Counter(listed for listed, _ in TABLE.values()) == {"N": 19, "S": 5, "R": 16}
    assert Counter(tier for _, tier in TABLE.values()) == {"A": 9, "B": 11, "Z": 20}


def test_2026_1_has_every_behaviour_of_the_table_in_its_tier_and_listing() -> None:
    assert {name: (each.listed, each.tier) for name, each in OPENING.behaviours.items()} == {
        name: (LISTED[listed], tier) for name, (listed, tier) in TABLE.items()
    }
    assert {each.category for each in OPENING.behaviours.values()} == set(Category)


@everywhere
def test_every_revision_stands_in_the_table(behaviour: Behaviour) -> None:
    listed, tier = TABLE[behaviour.id]
    assert behaviour.tier == tier
    first = (behaviour.id, behaviour.rev) == ("travel.bike", 1)  # of demo-1, which lists nothing
    assert behaviour.listed == (None if first else LISTED[listed])


def test_every_file_is_named_by_id_and_revision_and_pinned_by_a_release() -> None:
    pinned = {pin.sha256 for release in RELEASES for pin in release.listed.behaviours}
    assert pinned == {sha256(file).digest() for file in SHELF.values()}
    assert set(SHELF) == {f"{each.id}.{each.rev}.toml" for each in BEHAVIOURS.values()}


def test_a_season_figure_that_differs_is_an_older_revision_than_that_of_2026_1() -> None:
    revisions = {
        name: (each.rev, OPENING.behaviour(name).rev) for name, each in SEASON.behaviours.items()
    }
    assert revisions == {
        "food.no_cutlery": (1, 2),
        "travel.bike": (2, 3),
        "travel.ev_charge": (1, 2),
        "use.e_waybill": (1, 2),
        "use.efficient_appliance": (1, 1),
    }


@everywhere
def test_every_file_speaks_both_languages_in_its_own_words(behaviour: Behaviour) -> None:
    notes = [factor.source.note for factor in behaviour.factors]
    rules = [rule.text for rule in (*behaviour.exclusions, *behaviour.bounds)]
    caps = [behaviour.caps.note] if behaviour.caps else []
    for texts in (behaviour.name, behaviour.says, *notes, *rules, *caps):
        assert texts["zh-CN"] != texts["en"]
        assert any("\u4e00" <= sign <= "\u9fff" for sign in texts["zh-CN"])
        assert not any("\u4e00" <= sign <= "\u9fff" for sign in texts["en"])


def test_names_are_of_one_behaviour_each() -> None:
    for locale in ("zh-CN", "en"):
        names = [each.name[locale] for each in OPENING.behaviours.values()]
        assert len(set(names)) == 40


@everywhere
def test_no_figure_of_grade_l_or_u_is_in_tier_a(behaviour: Behaviour) -> None:
    grades = {factor.source.grade for factor in behaviour.factors}
    assert behaviour.tier != "A" or grades <= {"H", "M"}
    assert (behaviour.tier == "Z") is isinstance(behaviour.formula, Zero)
    assert behaviour.tier != "Z" or not grades


@everywhere
def test_every_bound_and_cap_says_that_it_is_ours(behaviour: Behaviour) -> None:
    for limit in (*behaviour.bounds, *((behaviour.caps,) if behaviour.caps else ())):
        assert limit.proposal
        assert limit.source is None


@everywhere
def test_every_behaviour_has_its_key_and_trips_occupy_their_person(behaviour: Behaviour) -> None:
    if (behaviour.id, behaviour.rev) != ("travel.bike", 1):
        assert behaviour.dedupe is not None
        assert behaviour.occupies is (behaviour.id in TRIPS)
    assert len(behaviour.vectors) >= 2


def test_a_box_returned_is_no_double_of_its_waybill() -> None:
    # An operator's receipts are one namespace: one number stands for one act.
    keys = [each.dedupe.key for each in OPENING.behaviours.values() if each.dedupe]
    waybills = [key for key in keys if "waybill_no" in key]
    assert sorted(waybills) == [
        ("carrier", "waybill_no"),
        ("carrier", "waybill_no", "return"),
    ]
    says = OPENING.behaviour("use.box_return").says
    assert "“return”" in says["en"]
    assert "“return”" in says["zh-CN"]


def test_2026_1_credits_nine_behaviours_each_with_bounds_caps_and_dates() -> None:
    assert len(CREDITED) == 9
    for name in CREDITED:
        behaviour = OPENING.behaviour(name)
        assert behaviour.bounds
        assert behaviour.caps is not None
        assert None not in (behaviour.caps.act_g, behaviour.caps.day_g, behaviour.caps.month_g)
        reasons = {vector.reason for vector in behaviour.vectors}
        weak = "not-metered" if behaviour.evidence == "E4" else "weak-evidence"
        assert {"no-factor-for-region", "no-factor-for-date", weak} <= reasons
    assert not OPENING.listed.accepted


# quantity, factor in mg per unit, region, activity: typed here, not read from the files
ACTS: dict[str, tuple[int, str, str, dict[str, int]]] = {
    "travel.bike": (3210, "48.7", "CN-ZJ-HZ", {"m": 3210, "s": 900}),
    "travel.ebike": (4321, "43", "CN-CQ", {"m": 4321, "s": 900}),
    "travel.metro": (12345, "46.7", "CN-GD-SZ", {"m": 12345, "s": 1800}),
    "travel.bus": (6543, "26.9", "CN-GD-SZ", {"m": 6543, "s": 1800}),
    "travel.ev_charge": (31415, "300", "CN-BJ", {"Wh": 31415, "s": 7200}),
    "food.no_cutlery": (1, "23000", "CN-BJ", {"count": 1}),
    "use.e_waybill": (3, "5000", "CN-BJ", {"count": 3}),
    "use.own_bag": (2, "5000", "CN-HB-WH", {"count": 2}),
    "use.box_return": (2, "37000", "CN-SH", {"count": 2}),
}


@pytest.mark.parametrize("name", sorted(CREDITED))
def test_one_act_of_each_credited_behaviour_comes_to_what_the_figure_says(name: str) -> None:
    quantity, figure, region, activity = ACTS[name]
    mg = quantity * Fraction(figure) // 1
    credit = counted(OPENING, name, region, activity)
    assert credit == Credit(Milligrams(mg), name, OPENING.behaviour(name).rev, None)
    assert counted(OPENING, name, "US-CA", activity).reason == "no-factor-for-region"
    assert counted(OPENING, name, region, activity, start=0).reason == "no-factor-for-date"
    assert counted(OPENING, name, region, activity, evidence="E2").reason == "weak-evidence"


@pytest.mark.parametrize("name", sorted(set(TABLE) - CREDITED))
@pytest.mark.parametrize("region", ["CN-BJ", "CN-HB-WH", "CN-GD-SZ", "FR"])
def test_all_the_others_are_recorded_and_count_0_in_2026_1(name: str, region: str) -> None:
    behaviour = OPENING.behaviour(name)
    activity: dict[str, int] = dict.fromkeys(behaviour.units, 100)
    credit = counted(OPENING, name, region, activity, start=FEBRUARY)
    why = {"B": "not-accepted", "Z": "no-published-factor"}[behaviour.tier]
    assert (credit.mg, credit.reason) == (0, why)


@pytest.mark.parametrize(
    ("name", "activity", "mg"),
    [
        ("travel.bike", {"m": 1200, "s": 300}, 300_000),  # the report's ride of 300 g
        ("travel.ev_charge", {"Wh": 10_000, "s": 3600}, 3_000_000),
        ("food.no_cutlery", {"count": 1}, 45_720),
        ("use.e_waybill", {"count": 1}, 5_000),
    ],
)
def test_the_season_counts_what_the_report_says(
    name: str, activity: dict[str, int], mg: int
) -> None:
    assert counted(SEASON, name, "CN-BJ", activity).mg == mg
    assert counted(SEASON, name, "CN-SH", activity).mg == 0
    day = int(datetime.fromisoformat("2022-05-05T00:00:00+08:00").timestamp())
    assert counted(SEASON, name, "CN-BJ", activity, start=day).mg == mg
    assert counted(SEASON, name, "CN-BJ", activity, start=day - 1).reason == "no-factor-for-date"


def test_the_season_sets_no_limits_and_says_what_it_leaves_out() -> None:
    for behaviour in SEASON.behaviours.values():
        if behaviour.tier == "A":
            assert not behaviour.bounds
            assert behaviour.caps is None
    assert SEASON.listed.caps is None
    for words in ("Metro, bus, clean plate and one's own cup", "no bounds and no caps"):
        assert words in SEASON.says["en"]
    for words in ("地铁、公交、光盘行动和自带杯", "不会作为一个月的量一次计入"):
        assert words in SEASON.says["zh-CN"]


def test_one_bicycle_kilometre_differs_6_25_fold_between_the_programmes() -> None:
    kilometre = {"m": 1000, "s": 300}
    season = counted(SEASON, "travel.bike", "CN-BJ", kilometre)
    wuhan = counted(OPENING, "travel.bike", "CN-HB-WH", kilometre)
    assert (season.mg, wuhan.mg) == (250_000, 40_000)
    assert Fraction(season.mg, wuhan.mg) == Fraction(25, 4)
    assert counted(OPENING, "travel.bike", "CN-BJ", kilometre).mg == 48_700


def test_a_ride_of_no_distance_is_recorded_and_a_very_short_one_is_refused() -> None:
    ride = counted(OPENING, "travel.bike", "CN", {"m": 0, "s": 600})
    assert (ride.mg, ride.reason) == (0, "round-trip")
    with pytest.raises(OutOfBounds):
        counted(OPENING, "travel.bike", "CN", {"m": 199, "s": 600})
    assert counted(OPENING, "travel.bike", "CN", {"m": 200, "s": 600}).mg == 9_740


def accepting(name: str, behaviour: bytes) -> bytes:
    """A release of one behaviour of tier B, revision 1, that accepts it."""
    return f"""
format = "carbonvault-release/1"
id = "accepting-1"
says = {{ zh-CN = "说明", en = "says" }}
[[behaviours]]
id = "{name}"
rev = 1
sha256 = "{sha256(behaviour).hexdigest()}"
[[accepted]]
id = "{name}"
rev = 1
by = "audit.example"
on = 2026-02-01
why = {{ zh-CN = "原因", en = "reason" }}
""".encode()


def accepted(name: str) -> Release:
    file = shipped("behaviours", f"{name}.1.toml")
    return read_release(accepting(name, file), [file])


def test_a_swap_would_count_280_g_a_kwh_but_grade_u_is_never_accepted() -> None:
    swap = OPENING.behaviour("use.swap")
    mg = swap.count({"Wh": 1000}, "CN-BJ", FEBRUARY, accepted=True).mg
    assert mg == Fraction("0.9") / Fraction("0.15") * 57 * 2370 - 530_600 == 279_940
    assert round(mg, -3) == 280_000
    with pytest.raises(BadMethodology, match="not all H or M"):
        accepted("use.swap")


@pytest.mark.parametrize(
    "name",
    [
        "clothing.reuse_recycle",
        "clothing.second_hand",
        "home.save_electricity",
        "home.water_tap",
        "travel.carpool",
        "travel.nev_drive",
    ],
)
def test_a_method_without_figures_of_grade_h_or_m_is_never_accepted(name: str) -> None:
    with pytest.raises(BadMethodology, match="not all H or M"):
        accepted(name)


def test_a_method_with_figures_of_grade_h_counts_once_accepted() -> None:
    release = accepted("home.renewables")
    assert counted(release, "home.renewables", "CN", {"Wh": 1000}, FEBRUARY).mg == 530_600
    assert counted(release, "home.renewables", "CN", {"Wh": 1000}, JANUARY).mg == 0


def test_the_375_kg_of_an_appliance_are_never_taken_as_one_lump() -> None:
    release = accepted("use.efficient_appliance")
    bound = {"Wh": 706_747}  # 375 kg ÷ 530.6 mg, rounded down
    assert 375_000_000 // Fraction("530.6") == bound["Wh"]
    year = counted(release, "use.efficient_appliance", "CN", bound | {"s": 365 * 86400}, FEBRUARY)
    assert year.mg == 374_999_958
    with pytest.raises(OutOfBounds):
        counted(release, "use.efficient_appliance", "CN", bound | {"s": 30 * 86400}, FEBRUARY)


def test_a_home_is_never_measured_against_its_own_past() -> None:
    behaviour = OPENING.behaviour("home.save_electricity")
    assert isinstance(behaviour.formula, MeteredBaseline)
    assert "never a home's own past" in behaviour.says["en"]
    saved = behaviour.count(
        {"Wh": 120_000, "count": 2, "s": 30 * 86400}, "CN", FEBRUARY, accepted=True
    )
    assert saved.mg == (2 * 30 * 2600 - 120_000) * Fraction("530.6")


def test_french_figures_count_nothing_in_china() -> None:
    french = {
        name
        for name, each in OPENING.behaviours.items()
        if any(factor.region == "FR" for factor in each.factors)
    }
    assert french == {"food.plant_based", "home.water_tap"}
    for name in french:
        behaviour = OPENING.behaviour(name)
        activity: dict[str, int] = dict.fromkeys(behaviour.units, 1000)
        assert behaviour.count(activity, "CN-BJ", FEBRUARY, accepted=True).mg == 0
        assert behaviour.count(activity, "FR", FEBRUARY, accepted=True).mg > 0


def test_a_meal_without_meat_is_measured_against_chicken() -> None:
    behaviour = OPENING.behaviour("food.plant_based")
    assert isinstance(behaviour.formula, Difference)
    assert behaviour.count({"count": 1}, "FR", FEBRUARY, accepted=True).mg == 1_460_000 - 850_000


@pytest.mark.parametrize(
    ("first", "second", "within"),
    [
        ("travel.ev_charge", "travel.nev_drive", "month"),
        ("use.swap", "travel.nev_drive", "month"),
        ("travel.stop_driving", "travel.metro", "day"),
        ("travel.stop_driving", "travel.bus", "day"),
        ("travel.stop_driving", "travel.bike", "day"),
        ("travel.stop_driving", "travel.ebike", "day"),
        ("travel.stop_driving", "travel.nev_drive", "day"),
        ("travel.walk", "travel.bike", "time"),
        ("travel.walk", "travel.ebike", "time"),
        ("office.video_meeting", "travel.stop_driving", "day"),
        ("home.save_electricity", "use.efficient_appliance", "month"),
        ("home.save_electricity", "home.renewables", "month"),
        ("use.less_disposables", "food.no_cutlery", "time"),
    ],
)
def test_two_behaviours_of_one_act_or_stock_exclude_each_other(
    first: str, second: str, within: str
) -> None:
    assert OPENING.excludes(first, second) == OPENING.excludes(second, first) == {within}


def test_no_other_pair_is_exclusive_and_each_stands_in_one_file() -> None:
    pairs = [
        frozenset((name, other.other))
        for name, each in OPENING.behaviours.items()
        for other in each.exclusive
    ]
    assert len(pairs) == len(set(pairs)) == 13
    assert all(pair <= set(TABLE) for pair in pairs)


def test_the_caps_of_a_category_lie_below_the_sum_of_its_behaviours() -> None:
    caps = OPENING.listed.caps
    assert caps is not None
    assert caps.proposal
    for category in Category:
        months = [
            each.caps.month_g or 0
            for each in OPENING.behaviours.values()
            if each.caps and each.category is category and each.tier == "A"
        ]
        assert OPENING.cap(category) < sum(months) or OPENING.cap(category) == sum(months) == 0


def test_where_two_figures_fit_2026_1_says_which_and_why() -> None:
    taken = {choice.id: (choice.taken, choice.over) for choice in OPENING.listed.choices}
    assert len(taken) == len(OPENING.listed.choices)
    for name, ours, other in (
        ("travel.bike", "48.7 g/km (CN), 40 g/km", "250 g/km"),
        ("travel.ebike", "43 g/km", "61.8 g/km"),
        ("travel.metro", "46.7 g/person-km", "46 g/ride"),
        ("travel.bus", "26.9 g/person-km", "150 g/ride"),
        ("travel.ev_charge", "300 g/kWh", "153 g/km"),
        ("food.no_cutlery", "23 g/order", "45.72 g/order"),
        ("food.plant_based", "610 g/meal", "4,120 g/meal"),
    ):
        assert ours in taken[name][0]
        assert other in taken[name][1]
