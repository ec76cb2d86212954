"""What a KPI is: the kinds, with their stats, queries and estimates; recipes declare KPIs of these kinds."""
