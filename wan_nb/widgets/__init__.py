"""What a notebook shows: the form, live runs, the player, and a static twin of each.

The view of ``wan_nb/<noun>.py`` is ``widgets/<noun>.py``. Nothing here talks to the service: views read values and hand
work to `Session.later`. Imported when something is first shown, never by ``import wan_nb``.
"""
