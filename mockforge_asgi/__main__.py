"""`python -m mockforge_asgi`: the `mockforge` command, where the script is not on the path."""

from mockforge_asgi.cli import main

main()
