"""What published studies say of depth and width: loss curves, intervals, other laws. Pure numbers."""
