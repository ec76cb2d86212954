"""From files in the drop folder to the registrations that are in force."""
