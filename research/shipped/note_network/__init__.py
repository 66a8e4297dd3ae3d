"""Trains the network that hears notes, on music that is made here from notes of soundfonts.

`instruments` records single notes, `music` writes random pieces, `mixtures` plays them with the
notes and knows how loud each pitch is, `fit` trains; `python -m research.shipped.note_network` does
all of it. No recording from elsewhere is used, and no score.
"""
