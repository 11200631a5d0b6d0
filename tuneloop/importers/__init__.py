"""Calls made elsewhere, brought in as Logs: from files and from the API."""
