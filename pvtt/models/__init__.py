"""Models: Wan's, and what this project adds.

transformer.py      `ProductVideoTransformer`, equal to its base until it is trained
product_encoder.py  any number of photos → a fixed number of tokens
image_features.py   what the product encoder sees of a photo
vae.py, text.py     Wan's VAE and text encoder, used as Wan uses them
mask_contract.py    what masks mean to a checkpoint
loading.py          local folders in, clear errors out
"""
