"""KPIs as recipes declare them, and the PromQL that measures them."""
