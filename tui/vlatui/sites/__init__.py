"""Where runs are: this host, or another one over ssh; the rest of the dashboard sees no difference."""
