"""What lets a dashboard on another host see and control the runs of this one: `vlad serve --stdio`."""
