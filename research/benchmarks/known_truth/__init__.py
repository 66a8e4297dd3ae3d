"""Transfer against known truth: the score of one piece played on the instruments of another."""
