"""Generation: a trained model, a template and photos in, pixels out.

conditioned.py  `ConditionedPipeline`: a diffusers pipeline from conditions to videos, the path of all generating
inputs.py       what a person has, pictures and videos, as checked arrays
pipeline.py     `ProductVideoPipeline`: the same from pictures to videos
composite.py    the generated product in the template's own pixels
ad/             a whole ad: shots, regions, windows, sound
"""
