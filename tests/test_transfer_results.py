"""The numbers of takes in tables."""

from research.transfer.results import numbers_of


def test_a_row_of_a_table_is_the_numbers_of_a_take():
    metrics = {"loss": {"final": 1.5, "rendered": 2.0}, "stopped": "finished", "num_evaluations": 7}
    expected = {"loss": 1.5, "rendered_loss": 2.0, "stopped": "finished", "num_evaluations": 7}
    assert numbers_of(metrics) == expected
    judged = metrics | {"genres": {"output": {"genre": "jazz"}}, "judge": {"score": 0.5}}
    assert numbers_of(judged) == {"score": 0.5} | expected | {"genre": "jazz"}
