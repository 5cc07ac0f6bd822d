"""Who may pass: protection rules, how decisions of several plugins compose, `AuthPolicy` and `AuthMiddleware`."""
