"""Who answers a request: routes and response plugins, and the plugins that change an answer."""
