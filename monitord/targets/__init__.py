"""From files in the drop folder to the endpoints that should be scraped."""
