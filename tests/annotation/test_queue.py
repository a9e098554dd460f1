"""Who is handed what: nobody a pair twice, no pair beyond its overlap, gold ones at their rate, and everything in the end."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select, update

from lab.annotation.collections import Annotation
from lab.annotation.judgements import CLAIM_SECONDS, current_judgements
from lab.annotation.queue import AWAY_SECONDS
from lab.annotation.tables import (
    current_table,
    showings_table,
)
from lab.core.access import Access, User
from lab.core.preferences import Choice, Derivation, Place
from lab.errors import StateError
from lab.store.runs import Store
from tests.annotation.annotating import (
    ANNA,
    BEN,
    CHEN,
    counted_anew,
    counters,
    given,
    judge_all,
    place_of,
    says,
    stored,
    sums,
)


def run_out(annotation: Annotation) -> None:
    """All claims do."""
    past = update(showings_table).values(expires=time.time() - 1)
    annotation.store.writing(lambda connection: connection.execute(past))


def test_nobody_is_handed_a_pair_twice_and_no_pair_beyond_the_overlap(annotation: Annotation) -> None:
    collection = sums(annotation, 30, overlap=2)
    people = [ANNA, BEN, CHEN]
    handed: list[tuple[str, str]] = []

    def work(person: Any) -> None:
        holding: list[str] = []
        while pairs := given(annotation, person, collection, 3, holding):
            for pair in pairs:
                handed.append((person.id, pair["pair"]))
                holding.append(pair["pair"])
            for pair in pairs[:2]:
                says(annotation, person, collection, pair, Place.LEFT)

    threads = [threading.Thread(target=work, args=(person,)) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(Counter(handed).values()) == 1
    assert Counter(pair for _, pair in handed).most_common(1)[0][1] == 2
    assert len(handed) == 60


def test_two_open_the_last_pair_at_once_and_one_gets_it(annotation: Annotation) -> None:
    collection = sums(annotation, 1, overlap=1)
    futures = [annotation.hand_out(person, collection, 1) for person in (ANNA, BEN)]
    assert [len(future.result()["pairs"]) for future in futures] == [1, 0]
    assert annotation.queue(BEN)[0]["left"] == 1  # Anna may yet skip it
    (pair,) = futures[0].result()["pairs"]
    says(annotation, ANNA, collection, pair, Choice.SKIP)
    assert [one["pair"] for one in given(annotation, BEN, collection)] == [pair["pair"]]
    assert given(annotation, ANNA, collection) == []


def test_two_processes_hand_out_at_once(annotation: Annotation) -> None:
    collection = sums(annotation, 40, overlap=1)
    other = Annotation(Store(annotation.store.home, allow_unsafe_disk=True))
    handed: list[str] = []

    def work(which: Annotation, person: Any, holding: list[str]) -> None:
        while pairs := given(which, person, collection, 2, holding):
            holding += [pair["pair"] for pair in pairs]
        handed.extend(holding)

    # Both hold pairs before they race: whoever came when all are held would take one over from the other.
    starts = [
        (which, person, [pair["pair"] for pair in given(which, person, collection, 2)])
        for which, person in ((annotation, ANNA), (other, BEN))
    ]
    threads = [threading.Thread(target=work, args=start) for start in starts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.store.close()
    assert sorted(handed) == sorted(pair.id for pair in annotation.pairs(collection))


def test_an_abandoned_claim_comes_back_to_others(annotation: Annotation) -> None:
    collection = sums(annotation, 1, overlap=1)
    (kept,) = given(annotation, ANNA, collection, 2)
    assert given(annotation, BEN, collection, 2) == []
    run_out(annotation)
    assert [pair["pair"] for pair in given(annotation, BEN, collection, 2)] == [kept["pair"]]
    assert says(annotation, ANNA, collection, kept, Place.LEFT)["saved"]  # late, and stored all the same
    assert len(stored(annotation)) == 1


def test_what_one_tab_judged_is_gone_from_the_other(annotation: Annotation) -> None:
    """Two tabs of one person, who is handed the same pairs in both."""
    collection = sums(annotation, 4)
    here = given(annotation, ANNA, collection, 3)
    there = given(annotation, ANNA, collection, 3)
    assert [pair["shown"] for pair in there] == [pair["shown"] for pair in here]
    says(annotation, ANNA, collection, here[0], Place.LEFT)
    says(annotation, ANNA, collection, here[1], Choice.SKIP)
    held = [pair["pair"] for pair in there]
    answer = annotation.hand_out(ANNA, collection, 3, held).result()
    assert answer["gone"] == held[:2]
    assert held[2] not in {pair["pair"] for pair in answer["pairs"]} and len(answer["pairs"]) == 1


def test_a_claim_that_ran_out_comes_back_where_the_pair_is_free_and_else_is_gone(annotation: Annotation) -> None:
    collection = sums(annotation, 3, overlap=1)
    mine = [pair["pair"] for pair in given(annotation, ANNA, collection, 3)]
    run_out(annotation)
    (taken,) = [pair["pair"] for pair in given(annotation, BEN, collection, 1)]
    free = [pair for pair in mine if pair != taken]
    answer = annotation.hand_out(ANNA, collection, 0, mine).result()
    assert (answer["gone"], answer["pairs"]) == ([taken], [])
    last = [pair for pair in mine if pair in free][-1]
    # They are Anna's again; Chen, who would have nothing to do, takes over the one that she would come to last.
    assert [pair["pair"] for pair in given(annotation, CHEN, collection, 3)] == [last]
    run_out(annotation)
    assert {pair["pair"] for pair in given(annotation, CHEN, collection, 3, [taken])} == set(free)
    assert annotation.hand_out(ANNA, collection, 3, free).result()["gone"] == free


def test_a_pair_that_is_wanted_no_more_is_gone_and_does_not_come_back(annotation: Annotation) -> None:
    """Anna's claim ran out, Ben got the pair, and her judgement comes late: it counts, and Ben need not judge any more."""
    collection = sums(annotation, 1, overlap=1)
    (late,) = given(annotation, ANNA, collection)
    run_out(annotation)
    (theirs,) = given(annotation, BEN, collection)
    assert says(annotation, ANNA, collection, late, Place.LEFT)["saved"]
    assert annotation.hand_out(BEN, collection, 1, [theirs["pair"]]).result()["gone"] == [theirs["pair"]]
    assert given(annotation, BEN, collection) == []


def test_a_late_judgement_is_counted_once_and_shown_and_costs_no_preference(annotation: Annotation) -> None:
    """Anna's claim ran out, Ben judged the pair, then Anna says the contrary."""
    collection = sums(annotation, 2, overlap=1)
    late = given(annotation, ANNA, collection)[0]
    run_out(annotation)
    theirs = next(one for one in given(annotation, BEN, collection, 2) if one["pair"] == late["pair"])
    says(annotation, BEN, collection, theirs, place_of(theirs))
    answers = [says(annotation, ANNA, collection, late, place_of(late, right=False)) for _ in range(2)]
    assert [answer["progress"].judged for answer in answers] == [1, 1]
    found = annotation.collection(collection)
    assert (found.judgements, found.beyond, found.open, found.pairs) == (2, 1, 1, 2)
    assert counters(annotation, collection) == counted_anew(annotation, collection)
    derived = annotation.derived(collection, Derivation())
    assert (len(derived.preferences), derived.first_votes) == (1, (late["pair"],))
    (row,) = annotation.rows(annotation.freeze(collection).id)
    assert (row["source_chosen"], row["annotators"], row["agreement"]) == ("right", [BEN.id], 1.0)
    annotation.undo(BEN, uuid4(), UUID(theirs["shown"])).result()  # then Anna's is the one that was wanted
    assert annotation.collection(collection).beyond == 0
    assert annotation.derived(collection, Derivation()).preferences[0].source_chosen == "wrong"


def test_gold_comes_at_other_places_for_everybody(annotation: Annotation) -> None:
    collection = sums(annotation, 80, gold=20, overlap=3, gold_rate=0.3)
    gold = {pair.id for pair in annotation.pairs(collection) if pair.gold}

    def places(person: Any) -> list[bool]:
        held: list[str] = []
        for _ in range(3):
            held += [pair["pair"] for pair in given(annotation, person, collection, 10, held)]
        return [pair in gold for pair in held]

    orders = [places(person) for person in (ANNA, BEN, CHEN)]
    assert all(any(order) for order in orders)
    assert orders[0] != orders[1] != orders[2] != orders[0]


def test_gold_is_never_taken_by_others(annotation: Annotation) -> None:
    collection = sums(annotation, 2, gold=2, gold_rate=0.5)
    mine = [pair["pair"] for pair in given(annotation, ANNA, collection, 2)]
    run_out(annotation)
    assert len(given(annotation, BEN, collection, 2)) == 2
    assert annotation.hand_out(ANNA, collection, 0, mine).result()["gone"] == []


def test_nobody_holds_what_was_never_shown_to_them(annotation: Annotation) -> None:
    collection = sums(annotation, 1)
    (pair,) = annotation.pairs(collection)
    answer = annotation.hand_out(ANNA, collection, 1, [pair.id, "nonsense"]).result()
    assert (answer["gone"], answer["pairs"]) == ([pair.id, "nonsense"], [])


def test_asking_again_and_again_writes_no_more_showings(annotation: Annotation) -> None:
    collection = sums(annotation, 9)
    first = given(annotation, ANNA, collection, 3)
    for _ in range(20):
        assert given(annotation, ANNA, collection, 3) == first
    with annotation.store.reading() as connection:
        assert connection.execute(select(func.count()).select_from(showings_table)).scalar() == 3


def test_what_was_undone_is_held_under_its_new_showing(annotation: Annotation) -> None:
    collection = sums(annotation, 2)
    pair = given(annotation, ANNA, collection)[0]
    says(annotation, ANNA, collection, pair, Place.LEFT)
    undone = annotation.undo(ANNA, uuid4(), UUID(pair["shown"])).result()["pair"]
    assert annotation.hand_out(ANNA, collection, 0, [pair["pair"]]).result()["gone"] == []
    assert given(annotation, ANNA, collection) == [undone]


def test_holding_lengthens_the_claim(annotation: Annotation) -> None:
    collection = sums(annotation, 2, overlap=1)
    pairs = given(annotation, ANNA, collection, 2)
    soon = update(showings_table).values(expires=time.time() + 1)
    annotation.store.writing(lambda connection: connection.execute(soon))
    annotation.hand_out(ANNA, collection, 0, [pairs[0]["pair"]]).result()
    with annotation.store.reading() as connection:
        table = showings_table.c
        shown = select(table.pair, table.expires).where(table.id.in_([pair["shown"] for pair in pairs]))
        longest = {row.pair: row.expires for row in connection.execute(shown)}
    assert longest[pairs[0]["pair"]] > time.time() + 60 > longest[pairs[1]["pair"]]


def test_a_reload_brings_the_same_pairs_again(annotation: Annotation) -> None:
    collection = sums(annotation, 9)
    before = given(annotation, ANNA, collection, 3)
    assert given(annotation, ANNA, collection, 3) == before
    others = given(annotation, ANNA, collection, 3, [pair["pair"] for pair in before])
    assert {pair["pair"] for pair in others}.isdisjoint(pair["pair"] for pair in before)


def test_the_least_judged_first(annotation: Annotation) -> None:
    collection = sums(annotation, 6, overlap=3)
    for pair in given(annotation, ANNA, collection, 4):
        says(annotation, ANNA, collection, pair, Choice.TIE)
    judged = {row.pair for row in stored(annotation)}
    first = [pair["pair"] for pair in given(annotation, BEN, collection, 2)]
    assert judged.isdisjoint(first)


def test_gold_comes_at_its_rate_to_everybody_and_never_alone(annotation: Annotation) -> None:
    collection = sums(annotation, 300, gold=100, overlap=1, gold_rate=0.25)
    assert annotation.collection(collection).gold == 100 and annotation.collection(collection).pairs == 200
    gold = {pair.id for pair in annotation.pairs(collection) if pair.gold}
    shares = []
    for person in (ANNA, BEN):
        handed: list[str] = []
        while len(handed) < 100:
            handed += [pair["pair"] for pair in given(annotation, person, collection, 10, handed)]
        assert len(set(handed)) == len(handed)
        shares.append(sum(pair in gold for pair in handed) / len(handed))
    assert all(
        0.1 < share < 0.4 for share in shares
    )  # binomial(100, 0.25): outside in one of 10,000 seeds; this one is fixed
    judge_all(annotation, ANNA, collection)
    judge_all(annotation, BEN, collection)
    assert given(annotation, CHEN, collection, 5) == []  # gold is left, but no other


def test_progress_is_that_of_a_count(annotation: Annotation) -> None:
    collection = sums(annotation, 10, gold=2, overlap=2, gold_rate=0.3)
    for number, (person, choice) in enumerate(
        [(ANNA, Place.LEFT), (BEN, Choice.SKIP), (CHEN, Place.RIGHT), (ANNA, Choice.TIE), (BEN, Place.LEFT)]
    ):
        for pair in given(annotation, person, collection, 3):
            says(annotation, person, collection, pair, choice)
        if number == 3:
            last = stored(annotation)[-1]
            annotation.undo(ANNA, uuid4(), UUID(last.id)).result()
        assert counters(annotation, collection) == counted_anew(annotation, collection)
    with annotation.store.reading() as connection:
        derived = {(one.pair_id, one.annotator): str(one.uuid) for one in current_judgements(connection, collection)}
        kept = {(row.pair, row.annotator): row.judgement for row in connection.execute(select(current_table))}
    assert derived == kept
    annotation.change(collection, overlap=1)
    assert counters(annotation, collection) == counted_anew(annotation, collection)


def test_everything_is_judged_in_the_end(annotation: Annotation) -> None:
    collection = sums(annotation, 9, overlap=2)
    assert [judge_all(annotation, person, collection) for person in (ANNA, BEN, CHEN)] == [9, 9, 0]
    assert annotation.collection(collection).open == 0
    mine = next(row for row in annotation.queue(ANNA) if row["id"] == collection)
    assert (mine["judged"], mine["left"], mine["pairs"], mine["overlap"]) == (9, 0, 9, 2)


def people(count: int) -> list[User]:
    return [User(f"guest {n}", Access.ANNOTATOR, id=f"g-{n}", guest=True) for n in range(count)]


def most_claimed(annotation: Annotation) -> int:
    """The most pairs that one person claims now."""
    s = showings_table.c
    statement = select(func.count()).where(s.expires > time.time()).group_by(s.annotator)
    with annotation.store.reading() as connection:
        return max(connection.execute(statement).scalars(), default=0)


def test_a_class_of_ten_begins_at_once_on_few_pairs_and_nobody_waits_while_one_is_open(annotation: Annotation) -> None:
    """24 pairs, ten guests who hold up to six pairs each, overlap 1: as the page asks, one judges after the other."""
    collection = sums(annotation, 24, overlap=1)
    guests = people(10)
    hands = {guest.id: given(annotation, guest, collection, 6) for guest in guests}
    assert all(hands.values())
    while any(hands.values()):
        for guest in guests:
            hand = hands[guest.id]
            if hand:
                says(annotation, guest, collection, hand.pop(0), Place.LEFT)
            answer = annotation.hand_out(guest, collection, 6 - len(hand), [pair["pair"] for pair in hand]).result()
            hand[:] = [pair for pair in hand if pair["pair"] not in answer["gone"]] + answer["pairs"]
            assert (
                hand or most_claimed(annotation) <= 1
            )  # who has nothing waits only where each other has one pair at most
    found = annotation.collection(collection)
    assert (found.open, found.judgements, found.beyond) == (0, 24, 0)


def test_who_has_nothing_takes_over_the_last_pair_of_who_holds_most_but_not_the_one_on_screen(
    annotation: Annotation,
) -> None:
    collection = sums(annotation, 3, overlap=1)
    mine = given(annotation, ANNA, collection, 3)
    assert [pair["pair"] for pair in given(annotation, BEN, collection, 6)] == [mine[2]["pair"]]
    assert [pair["pair"] for pair in given(annotation, CHEN, collection, 6)] == [mine[1]["pair"]]
    (fourth,) = people(1)
    assert given(annotation, fourth, collection, 6) == []  # each has the one on their screen
    held = [pair["pair"] for pair in mine]
    assert annotation.hand_out(ANNA, collection, 6, held).result()["gone"] == held[1:]


def test_who_went_away_loses_even_the_pair_on_their_screen(annotation: Annotation) -> None:
    collection = sums(annotation, 1, overlap=1)
    (pair,) = given(annotation, ANNA, collection)
    assert given(annotation, BEN, collection) == []
    heard = time.time() + CLAIM_SECONDS - AWAY_SECONDS - 1
    annotation.store.writing(lambda connection: connection.execute(update(showings_table).values(expires=heard)))
    assert [one["pair"] for one in given(annotation, BEN, collection)] == [pair["pair"]]


def test_where_everyone_judges_every_pair_none_is_ever_closed(annotation: Annotation) -> None:
    collection = sums(annotation, 4, everyone=True)
    everybody = people(7)
    for guest in everybody:
        assert judge_all(annotation, guest, collection) == 4
        assert annotation.queue(guest)[0] | {"judged": 4, "left": 0, "overlap": None} == annotation.queue(guest)[0]
    found = annotation.collection(collection)
    assert (found.settings.everyone, found.settings.wanted, found.open, found.beyond) == (True, None, 4, 0)
    derived = annotation.derived(collection, Derivation())
    assert {len(preference.annotators) for preference in derived.preferences} == {7}  # no vote is cut
    changed = annotation.change(collection, everyone=False, overlap=3)
    assert (changed.settings.wanted, changed.open) == (3, 0)


def test_a_hidden_collection_is_the_owners_alone(annotation: Annotation) -> None:
    collection = sums(annotation, 2)
    owner = User("owner", Access.OWNER, id="owner")
    assert annotation.hide(collection).hidden
    assert [row["id"] for row in annotation.queue(owner)] == [collection]
    assert annotation.queue(ANNA) == []
    with pytest.raises(StateError, match="no_such_collection"):
        given(annotation, ANNA, collection)
    assert not annotation.hide(collection, False).hidden
    assert given(annotation, ANNA, collection)
