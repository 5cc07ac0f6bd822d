"""What plugins with browser logins stand on: sessions, logins under way, redirects that stay here, pages.

For native plugins: it needs `joserfc` (the extra `auth`), which the sandbox does not have.
"""

from mockforge_plugin.login.pages import is_navigation, page
from mockforge_plugin.login.pending import LoginFailed, Pending, PendingLogins
from mockforge_plugin.login.redirects import local_path
from mockforge_plugin.login.sessions import Session, Sessions

__all__ = ["LoginFailed", "Pending", "PendingLogins", "Session", "Sessions", "is_navigation", "local_path", "page"]
