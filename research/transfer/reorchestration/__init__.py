"""Plays a content on the instruments of a style: pitch activations times pitch templates.

`spectrum` and `activations` find when and how loud each pitch of a piece sounds, with the help of a
network (`note_network`, `note_estimates`), `templates` and
`attacks` how each pitch sounds on its instruments; with `decay`, `register` and `spectra`, that is
the `orchestra` of a style. `target` turns the activations of the content into those of the style's
instruments, multiplies them with its templates and corrects the product, and `sound` gives it a
phase. `reorchestrate` does all of it.

Arrays are `[frames, pitches]`, `[pitches, bins]` and `[frames, bins]`.
"""
