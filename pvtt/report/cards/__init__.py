"""The model card and the data card of a run, in Hugging Face's format.

licence.py   licences as the Hub names them
model.py     what the model is, was trained on, reached and cannot do
data.py      what is in the dataset, from where, and what is missing

The same run gives the same bytes: no times. What is so in one clone alone, as its commit, is handed in.
"""
