"""The endpoints, one module per part of the API. They are thin: look, check, answer."""
