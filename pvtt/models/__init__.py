"""Models: the bases', and what this project adds.

bases.py            the kinds of base that there are
transformer.py      `ProductVideoTransformer`, equal to its base until it is trained
cogvideox.py        the same around CogVideoX; its noise schedule as ours: cogvideox_schedule.py
conditioning/       what a video is generated from besides noise
flow_matching.py    noise levels, noisy latents, velocity
sampling.py         noise → latents, guided over product and text separately
vae.py, text.py     the base's VAE and text encoder, used as its own pipeline uses them
contracts.py        what masks and crops mean to a checkpoint
loading.py          local folders in, clear errors out
summary.py          what each part of the conditioning costs
origin.py           a model's hash and files, without where it came from
pipeline_folder.py  how a saved pipeline names its class

Shapes are written with the same letters in encoding, models, training and generation:

    B   samples of a batch                          C   channels of a latent, 16
    F   frames of a video, 4n + 1                   F'  frames of a latent, (F - 1) / 4 + 1
    H, W  height and width of a frame, in pixels    h, w  of a latent: H / 8 and W / 8
    p   side of a patch in latent cells, 2          P   patches of a video, F' * h/p * w/p
    D   width of the transformer                    V   variants of an encoded sample
    T   tokens of a text                            Dt  width of a text token
    N   views (photos) of a product                 S   side of a photo, in pixels
    y, x  height and width of a photo's latent, S / 8
    R   patches of all of a product's photos
    L   image tokens of a view                      Dp  width of an image token
    M   DINOv2's tokens of a view                   Dd  width of one of them
    K   product tokens, which the views' tokens are condensed to
    Dm  width of a time embedding that modulates blocks

A mask packed to latent time has 4 channels, one for each of the frames that a latent frame stands for; a region has 1.
"""
