"""Generation: a trained model, a template and photos in, pixels out.

sampling.py    noise → latents for a batch of encoded samples, guided over product and text separately
composite.py   the generated product in the template's own pixels
pipeline.py    `ProductVideoPipeline`, the same from pixels to pixels as a diffusers pipeline
"""
