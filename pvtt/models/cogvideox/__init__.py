"""CogVideoX (arXiv:2408.06072) as a base: 2B and 5B, text to video.

transformer.py  `CogVideoXProductTransformer`, equal to its base until it is trained
schedule.py     its noise schedule in the terms of rectified flow, which all else here is written in
"""
