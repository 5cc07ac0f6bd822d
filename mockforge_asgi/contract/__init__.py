"""What a plugin is, whatever runs it: operations, value types, the Protocols of host and lease; how results are read."""

from mockforge_asgi.contract.protocol import *  # noqa: F403
from mockforge_asgi.contract.protocol import __all__ as __all__
