"""How results show themselves in a notebook: a line for ``repr``, an HTML fragment, a pandas frame and a figure."""
