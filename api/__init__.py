"""Life inside the walls: rooms, their logs, and who hears of them. ARCHITECTURE.md maps both paths, step by step, to files."""
