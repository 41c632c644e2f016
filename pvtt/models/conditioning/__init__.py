"""What a video is generated from besides noise.

conditions.py      `Conditions`: all of it, for a batch, as one record
product_tokens.py  any number of photos → a fixed number of tokens
photo_features.py  what the product encoder sees of a photo
"""
