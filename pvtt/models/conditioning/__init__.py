"""What a video is generated from besides noise.

conditions.py      `Conditions`: all of it, for a batch, as one record
photo_features.py  what a model sees of a photo
part.py            what a way of conditioning is
parts.py           the list of them, each in a file:
    mask_channels.py     the hole and the template around it, as channels
    template_frames.py   the whole template, as channels
    reference_frames.py  the photos as frames that the video attends to
    context_blocks.py    VACE: blocks of their own over template, mask and photos
    product_tokens.py    the photos summed up in tokens
    dual_encoder.py      the same, as CLIP and DINOv2 see them
"""
