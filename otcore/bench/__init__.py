"""Fair races: the same inputs, one thread, in turn, and every answer certified after the clock has stopped.

An *instance* is a problem with a name, a *contestant* anything that answers one, a *record* what one contestant
did with one instance, the *runner* lets them run in turn, the *report* draws tables and figures from the records.
``otcore bench`` drives it.  It lives inside the package, one floor below the command line, so that whoever has
installed otcore can repeat every number of its pages.
"""
