"""Generation: a trained model, a template and photos in, pixels out.

composite.py   the generated product in the template's own pixels
pipeline.py    `ProductVideoPipeline`, the same from pixels to pixels as a diffusers pipeline
"""
