"""What plugins with browser logins stand on: sessions, logins under way, redirects that stay here, pages, logouts.

For native plugins: it needs `joserfc` (the extra `auth`), which the sandbox does not have.
"""

from mockforge_plugin.login.logout import Logout, moved
from mockforge_plugin.login.pages import is_navigation, page, storage_page
from mockforge_plugin.login.pending import LoginFailed, Pending, PendingLogins
from mockforge_plugin.login.redirects import local_path
from mockforge_plugin.login.renewals import Renewals, Renewed, SessionOver, Unfinished
from mockforge_plugin.login.sealing import MAX_SEALED_CHARS
from mockforge_plugin.login.sessions import Session, Sessions
from mockforge_plugin.login.site import Site, origin_of, url_problems

__all__ = [
    "MAX_SEALED_CHARS",
    "LoginFailed",
    "Logout",
    "Pending",
    "PendingLogins",
    "Renewals",
    "Renewed",
    "Session",
    "SessionOver",
    "Sessions",
    "Site",
    "Unfinished",
    "is_navigation",
    "local_path",
    "moved",
    "origin_of",
    "page",
    "storage_page",
    "url_problems",
]
