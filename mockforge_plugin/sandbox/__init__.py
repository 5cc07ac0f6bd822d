"""What runs inside the Python sandbox: CPython in one WebAssembly component, made by `build.py`, shared by all plugins.

`app.py` is the component; it puts the shims in place, preloads the published modules and answers through `guest.py`.
"""
