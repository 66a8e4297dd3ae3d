"""Votes of listeners: kept, counted, and told."""

import pytest

from research.errors import InputError
from research.transfer.votes import VOTES, Vote, add_vote, count_votes, in_words, load_votes

SONG = "2026-11-27T12:00:00+00:00", "a, b.wav", "=band.wav"


def vote(first: str, second: str, content: str, style: str = "same", better: str = "same") -> Vote:
    return Vote(*SONG, first, second, {"content": content, "style": style, "better": better})


def test_votes_are_kept_as_they_were_given(tmp_path):
    assert load_votes(tmp_path) == []
    votes = [
        vote("default, style_amount=0.5", "equaliser", "first"),
        vote("equaliser", "default", "second", "first", "second"),
    ]
    assert [add_vote(tmp_path, one) for one in votes] == [1, 2]
    assert load_votes(tmp_path) == votes
    assert (tmp_path / VOTES).read_text().splitlines()[0] == (
        "time,content,style,first,second,content_vote,style_vote,better_vote,listener"
    )


def test_counts_do_not_depend_on_the_order_in_which_sounds_were_played():
    votes = 6 * [vote("default", "equaliser", "first")] + 2 * [
        vote("equaliser", "default", "first")
    ]
    votes += 3 * [vote("equaliser", "default", "second"), vote("default", "equaliser", "same")]
    counted = {record["question"]: record for record in count_votes(votes)}
    content = counted["content"]
    assert (content["first"], content["second"]) == ("default", "equaliser")
    assert (content["votes_first"], content["votes_second"], content["votes_same"]) == (9, 2, 3)
    assert content["share"] == pytest.approx(9 / 11)
    # Wilson 1927, 9 of 11, as statsmodels.stats.proportion.proportion_confint has it.
    assert (content["low"], content["high"]) == pytest.approx((0.5230, 0.9486), abs=1e-4)
    assert in_words(content) == (
        "default has more of the content than equaliser: 82% of 11 votes (95 % interval 52% to "
        "95%), 3 for no difference"
    )
    assert counted["style"]["share"] is None
    assert in_words(counted["style"]).endswith("than equaliser: 14 votes for no difference")


def test_votes_of_one_listener_on_the_same_sounds_count_once():
    ann = vote("default", "equaliser", "first")._replace(listener="ann")
    again = vote("equaliser", "default", "first")._replace(listener="ann")  # The other one.
    other = ann._replace(content="another.wav")
    bob = ann._replace(listener="bob")
    content = next(record for record in count_votes([ann, again, other, bob]))
    assert (content["votes_first"], content["votes_second"]) == (3, 0)


def test_votes_of_before_there_were_listeners_are_read(tmp_path):
    add_vote(tmp_path, vote("a", "b", "same"))
    text = (tmp_path / VOTES).read_text().replace(",listener", "").replace("same,\n", "same\n")
    (tmp_path / VOTES).write_text(text)
    assert load_votes(tmp_path) == [vote("a", "b", "same")]


def test_a_file_that_is_damaged_is_told_and_kept(tmp_path):
    add_vote(tmp_path, vote("a", "b", "same"))
    text = (tmp_path / VOTES).read_text()
    for damaged in (text.replace("same", "maybe", 1), text.replace("first", "1st", 1), text[:-12]):
        (tmp_path / VOTES).write_text(damaged)
        with pytest.raises(InputError, match=r"votes.csv is damaged in line 2; repair it"):
            add_vote(tmp_path, vote("a", "b", "same"))
        assert (tmp_path / VOTES).read_text() == damaged
