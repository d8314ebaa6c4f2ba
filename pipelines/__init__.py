"""From a recipe to a store and a report: everything that writes."""
