"""The suites that can be evaluated, and how many tasks each has."""

EMBEDDED_SUITES = {"tabletop_base": 25, "tabletop_new": 10}
LIBERO_SUITES = {"libero_spatial": 10, "libero_object": 10, "libero_goal": 10, "libero_10": 10, "libero_90": 90}
TASKS_OF_SUITE = {**EMBEDDED_SUITES, **LIBERO_SUITES}
