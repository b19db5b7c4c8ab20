"""What jobhost brings for other programs and libraries, each loaded by that one only.

Nothing inside jobhost imports from here.

    pytest_plugin.py   fixtures for pytest
"""
