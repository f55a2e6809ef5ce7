"""What holds for all tests."""

from hypothesis import settings

# No test is timed: on a busy machine a slow example is no fault. A failure prints how to repeat it.
settings.register_profile("sheaf", deadline=None, print_blob=True)
settings.load_profile("sheaf")
