"""Plans cells, runs their stages and scores them beside their controls."""
