"""Registration of brain sections: sections in, planes in an atlas out.

From the bottom: `options.py`, `planes/`, `volumes/`, `sections/`, `predict/`, with `gallery.py` and
`xception.py` on top; each may import those below it. Read `planes/geometry.py` first, then
`sections/data.py` and `xception.py`.
"""
