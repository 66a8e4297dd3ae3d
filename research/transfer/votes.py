"""Votes of listeners who compared two sounds without knowing which is which."""

import csv
import pathlib
from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from research.errors import InputError
from research.tables import read_rows, save_table
from research.training.evaluation import wilson_interval

VOTES = "votes.csv"
"""File of the votes in a workdir."""
QUESTIONS = {
    "content": "has more of the content",
    "style": "has more of the style",
    "better": "sounds better",
}
ANSWERS = "first", "second", "same"


class Vote(NamedTuple):
    """What a listener said of two sounds.

    Attributes:
      time: when, ISO 8601.
      content: name of the content.
      style: name of the style.
      first: what the first sound is, such as "default" or "equaliser".
      second: what the second one is.
      answers: one of `ANSWERS` by question.
      listener: a key of who voted; empty if it is not known.
    """

    time: str
    content: str
    style: str
    first: str
    second: str
    answers: dict[str, str]
    listener: str = ""


_FACTS = Vote._fields[:5]
_COLUMNS = (*_FACTS, *(f"{question}_vote" for question in QUESTIONS), "listener")


def load_votes(workdir: pathlib.Path) -> list[Vote]:
    """The votes in a workdir, none if there is no file of them.

    Raises:
      InputError: the file cannot be read or is damaged.
    """
    path, votes = workdir / VOTES, []
    if not path.exists():
        return votes
    try:
        rows = list(read_rows(path))
    except (OSError, UnicodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read ({error}); repair it or take it away") from error
    for number, cells in rows[1:]:
        record = dict(zip(_COLUMNS, cells, strict=False))
        answers = {question: record.get(f"{question}_vote", "") for question in QUESTIONS}
        # Files of before have no listeners.
        whole = tuple(rows[0][1]) in (_COLUMNS, _COLUMNS[:-1]) and len(cells) == len(rows[0][1])
        if not whole or not set(answers.values()) <= set(ANSWERS):
            raise InputError(f"{path} is damaged in line {number}; repair it or take it away")
        time, content, style, first, second = cells[: len(_FACTS)]
        listener = record.get("listener", "")
        votes.append(Vote(time, content, style, first, second, answers, listener))
    return votes


def add_vote(workdir: pathlib.Path, vote: Vote) -> int:
    """Add a vote to those in a workdir; their number.

    Raises:
      InputError: the file of votes is damaged or cannot be written.
    """
    votes = [*load_votes(workdir), vote]
    rows = (
        [*one[: len(_FACTS)], *(one.answers[question] for question in QUESTIONS), one.listener]
        for one in votes
    )
    save_table(workdir / VOTES, _COLUMNS, rows)
    return len(votes)


def count_votes(votes: Iterable[Vote]) -> list[dict[str, Any]]:
    """For each two kinds of sounds and each question, how often either was preferred.

    Of several votes of a listener on the same two sounds, the first counts: after it the listener
    was told which was which. `share` is the fraction of decided votes for the first sound, with its
    95 % Wilson interval, which treats votes of one listener on several recordings as independent.
    """
    counts: dict[tuple[str, str, str], Counter] = {}
    heard = set()
    for vote in votes:
        swapped = vote.first > vote.second
        pair = (vote.second, vote.first) if swapped else (vote.first, vote.second)
        comparison = vote.listener, vote.content, vote.style, *pair
        if vote.listener and comparison in heard:
            continue
        heard.add(comparison)
        for question, answer in vote.answers.items():
            if swapped and answer != "same":
                answer = "first" if answer == "second" else "second"
            counts.setdefault((*pair, question), Counter())[answer] += 1
    records = []
    for (first, second, question), count in counts.items():
        decided = count["first"] + count["second"]
        low, high = wilson_interval(count["first"], decided) if decided else (0.0, 1.0)
        records.append(
            {
                "first": first,
                "second": second,
                "question": question,
                "votes_first": count["first"],
                "votes_second": count["second"],
                "votes_same": count["same"],
                "share": count["first"] / decided if decided else None,
                "low": low,
                "high": high,
            }
        )
    return records


def in_words(record: dict[str, Any]) -> str:
    """One of `count_votes` in a line."""
    decided = record["votes_first"] + record["votes_second"]
    text = f"{record['first']} {QUESTIONS[record['question']]} than {record['second']}"
    if not decided:
        return f"{text}: {record['votes_same']} votes for no difference"
    return (
        f"{text}: {record['share']:.0%} of {decided} votes (95 % interval {record['low']:.0%} to "
        f"{record['high']:.0%}), {record['votes_same']} for no difference"
    )
