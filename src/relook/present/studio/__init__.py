"""`relook studio`: the same work in a browser, on the user's own machine."""
