"""What the machine gives, each behind one door: files, processes, threads, clock, log files."""
