"""What a notebook shows: the form, live runs, the player, and a static twin of each.

The view of ``wan_nb/<noun>.py`` is ``widgets/<noun>.py``. Nothing here talks to the service: views read values and
hand work to `Session.later`. What another front end can use without a widget is plain functions that return static
HTML: `board.table_html(runs)`, `run.html(run)`, `video.html(video)`, `preview.html(preview)`,
`page.html(experiment)`, and `session.observe(callback)` for what changes. Imported when something is first shown,
never by ``import wan_nb``.
"""
