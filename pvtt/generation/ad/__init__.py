"""A whole ad with another product in it: a template film and photos in, a film and its record out.

job.py       `generate`: the whole way, from files to files
plan.py      all that is known before the first window is made
making.py    the frames of the film, as they are made and written
settings.py  what a person chooses; what the model's folder says about windows
photos.py    the new product's photos, which are to show one product
template.py  the template: its frames, their times, its shots
product.py   where the old product is: found and tracked shot by shot, and matched between shots
region.py    where the new product comes: crop and hole of each frame, shot by shot
framing.py   where the film is cut to another ratio
windows.py   a crop's frames → generated frames, window by window, each kept in the item cache
stitch.py    generated frames back into the template's own
write.py     frames → a film with the template's times and sound
label.py     what a film says of itself in its metadata
visible.py   the label that a viewer sees
signing.py   C2PA: who made the film, signed
compare.py   template and film side by side
leftovers.py what still names the old product when it is gone; reading.py reads texts, codes and speech
record.py    what is written beside it, from which the run can be repeated
sheet.py     the contact sheet

batch.py     `generate_batch`: every product in every template; batch_inputs.py, batch_record.py and batch_sheet.py
             are its folders, its table and its sheet
shared.py    what the ads of a batch need not load twice
refusal.py   why an ad cannot be made, as a code for tables
"""
