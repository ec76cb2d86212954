"""What the main loop calls: the drop folders reconciled, windows carried to their artifacts."""
