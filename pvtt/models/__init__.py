"""Models: Wan's, and what this project adds.

transformer.py    `ProductVideoTransformer`, equal to its base until it is trained
conditioning/     what a video is generated from besides noise
flow_matching.py  noise levels, noisy latents, velocity
sampling.py       noise → latents, guided over product and text separately
vae.py, text.py   Wan's VAE and text encoder, used as Wan uses them
mask_contract.py  what masks mean to a checkpoint
loading.py        local folders in, clear errors out
"""
