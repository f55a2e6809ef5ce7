"""What a node shows of itself to whoever runs it: health, metrics, log lines, its supervisor.

Import the modules by name: commands that only need one of them load no more.
"""
