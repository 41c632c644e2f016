"""`pvtt studio`: a page on the loopback to try `pvtt generate` on.

page.py     the page: its fields, its buttons, and what each button does
views.py    what is found and what is made, as HTML; studio.js has its two elements, studio.css its looks
form.py     the page's fields ↔ `AdSettings`
work.py     what the buttons do, without the page: all of it through `pvtt.generate`
inputs.py   what was dropped, kept by its hash
server.py   the page on a port of the loopback, and the files that it shows
"""
