"""Plays a content on the instruments of a style: pitch activations times pitch templates.

`activations` finds when and how loud each pitch of a piece sounds, `templates` how each pitch
sounds on its instruments. `notes` turns the activations of the content into those of an instrument
of the style, `target` multiplies them with the templates of the style and corrects the product, and
`sound` gives it a phase. `reorchestrate` does all of it.

Arrays are `[frames, pitches]`, `[pitches, bins]` and `[frames, bins]`.
"""
